using System.Numerics;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What an encoder leaves behind for a decoder that looks back at it.</summary>
/// <param name="H">h_j, the annotations: [batch, source, annotation].</param>
/// <param name="Keys">U_a h_j, which every step needs: [batch, source, alignment].</param>
/// <param name="Seen">Int32 [batch, source], 0 where a position is padding.</param>
/// <param name="State">s_0, the decoder's first state: [batch, hidden].</param>
public readonly record struct Annotations(Tensor H, Tensor Keys, Tensor Seen, Tensor State);

/// <summary>The trained weights that act within the decoder's recurrence.</summary>
/// <param name="Query">W_a: [alignment, hidden].</param>
/// <param name="Energy">v_a: [1, alignment].</param>
/// <param name="Context">C_r, C_z and C: [3 * hidden, annotation].</param>
/// <param name="Recurrent">U_r, U_z and U: [3 * hidden, hidden].</param>
/// <param name="RecurrentBias">[3 * hidden].</param>
public readonly record struct AlignmentWeights(Tensor Query, Tensor Energy, Tensor Context, Tensor Recurrent, Tensor RecurrentBias);

/// <summary>The sizes of a decoder that looks back, and of what it is given.</summary>
readonly record struct AlignmentSizes(int Batch, int Time, int Source, int Hidden, int Annotation, int Alignment);

/// <summary>
/// The decoder of Bahdanau, Cho and Bengio 2014 (arXiv:1409.0473) over a whole sequence, fused: the annotations of a sequence stay in the cache while the loop over time runs, forwards and
/// backwards. Equal in value and every gradient to <see cref="AlignmentComposed"/>, which a GPU runs instead. At every step
/// <code>
/// q_i  = W_a s_i-1
/// e_ij = v_a . tanh(q_i + U_a h_j)                 A.1.2
/// a_ij = exp(e_ij) / sum over k of exp(e_ik)       (6)
/// c_i  = sum over j of a_ij h_j                    (5)
/// z_i  = U s_i-1 + b
/// s_i  = gates of x_i + C c_i and z_i              those of GruScan; x_i = W E y_i-1 + b is one product for the whole sequence, made before
/// </code>
/// The gradients of the weights are products over all steps of all sequences, made after.
/// </summary>
public sealed unsafe class AlignmentScan : Operation<AlignmentScan>
{
    AlignmentSizes sizes;
    Saved saved;

    /// <summary>What the forward pass leaves for the backward one, beside its results.</summary>
    /// <param name="H">[batch, source, annotation], rows padded to whole vectors with zeros.</param>
    /// <param name="Seen">Int32 [batch, source].</param>
    /// <param name="Queries">q_i: [batch, time, alignment], rows padded to whole vectors.</param>
    /// <param name="Gates">What the gated unit made of z_i: [batch, time, 3 * hidden], rows padded.</param>
    /// <param name="Candidates">The last third of z_i as it was: [batch, time, hidden].</param>
    /// <param name="Keeps">Whether every step is kept. Without a gradient one is enough.</param>
    readonly record struct Saved(Tensor H, Tensor Seen, Tensor Queries, Tensor Gates, Tensor Candidates, bool Keeps)
    {
        public T* Step<T>(Tensor tensor, int b, int t) where T : unmanaged => Recurrence.At<T>(tensor, b, Keeps ? t : 0);

        /// <summary>How many positions there are up to the last one that is seen.</summary>
        public int Positions(int b) => new ReadOnlySpan<int>(Seen.Pointer<int>() + (long)b * Seen.Shape[1], Seen.Shape[1]).LastIndexOfAnyExcept(0) + 1;
    }

    /// <summary>Runs the decoder over a sequence.</summary>
    /// <param name="x">What the gates take from the symbols before, W E y_i-1 + b: [batch, time, 3 * hidden], in the order of <see cref="GruScan"/>'s.</param>
    /// <param name="annotations">Of the source. A sequence of which nothing is seen has weights and contexts of zero.</param>
    /// <param name="weights">The weights within the recurrence.</param>
    /// <returns>
    /// s_i-1, which every step looked from, [batch, time, hidden]; c_i, what it saw, [batch, time, annotation]; alpha_i, where it looked, [batch, time, source]; and the state after the last step,
    /// [batch, hidden].
    /// </returns>
    /// <exception cref="ShapeException">The shapes or types do not fit.</exception>
    public static (Tensor States, Tensor Contexts, Tensor Weights, Tensor Last) Apply(Tensor x, in Annotations annotations, in AlignmentWeights weights)
    {
        if (GpuBackend.Current is not null) return AlignmentComposed.Apply(x, annotations, weights);
        AlignmentSizes s = Check(x, annotations, weights);
        Tensor h = annotations.H, keys = annotations.Keys.Contiguous(), state = annotations.State.Contiguous(), energy = weights.Energy.Contiguous(), bias = weights.RecurrentBias.Contiguous();
        x = x.Contiguous();
        DType type = x.DType;

        bool keeps = Tape.IsRecording && (x.RequiresGradient || h.RequiresGradient || keys.RequiresGradient || state.RequiresGradient || weights.Query.RequiresGradient ||
            energy.RequiresGradient || weights.Context.RequiresGradient || weights.Recurrent.RequiresGradient || bias.RequiresGradient);
        int steps = keeps ? s.Time : Math.Min(s.Time, 1);
        Saved saved = new(Tensor.Zeros([s.Batch, s.Source, Recurrence.Pad(s.Annotation)], type), annotations.Seen.Contiguous(), Tensor.Empty([s.Batch, steps, Recurrence.Pad(s.Alignment)], type),
            Tensor.Empty([s.Batch, steps, Recurrence.Pad(3 * s.Hidden)], type), Tensor.Empty([s.Batch, steps, s.Hidden], type), keeps);
        Transfer.Copy(h, saved.H.Slice(2, 0, s.Annotation));
        Tensor states = Tensor.Empty([s.Batch, s.Time, s.Hidden], type), contexts = Tensor.Empty([s.Batch, s.Time, s.Annotation], type), alphas = Tensor.Empty([s.Batch, s.Time, s.Source], type);
        Tensor last = Tensor.Empty([s.Batch, s.Hidden], type);

        Cpu.For(type, Recurrence.Groups(s.Batch), 1, new ForwardKernel(s, saved, x, keys, state, energy, bias, Panels.Of(weights.Query.T), Panels.Of(weights.Context.T), Panels.Of(weights.Recurrent.T),
            states, contexts, alphas, last));

        if (Record([states, contexts, alphas, last], [x, h, keys, state, weights.Query, energy, weights.Context, weights.Recurrent, bias]) is { } node) (node.sizes, node.saved) = (s, saved);
        return (states, contexts, alphas, last);
    }

    internal static AlignmentSizes Check(Tensor x, in Annotations annotations, in AlignmentWeights weights)
    {
        const string name = nameof(AlignmentScan);
        Tensor h = annotations.H, query = weights.Query, recurrent = weights.Recurrent;
        Require.Float(name, x);
        if (recurrent.Rank != 2 || recurrent.Shape[0] != 3 * recurrent.Shape[1]) throw new ShapeException(name, $"the recurrent weight is {recurrent.Shape}; [3 * hidden, hidden] was expected.");
        int hidden = recurrent.Shape[1];
        if (x.Rank != 3 || x.Shape[2] != 3 * hidden) throw new ShapeException(name, $"x is {x.Shape}; [batch, time, {3 * hidden}] was expected, as the recurrent weight is {recurrent.Shape}.");
        int batch = x.Shape[0];
        if (h.Rank != 3 || h.Shape[0] != batch) throw new ShapeException(name, $"H is {h.Shape}; [{batch}, source, annotation] was expected, as x is {x.Shape}.");
        if (query.Rank != 2 || query.Shape[1] != hidden) throw new ShapeException(name, $"the query weight is {query.Shape}; [alignment, {hidden}] was expected, as the recurrent weight is {recurrent.Shape}.");
        AlignmentSizes s = new(batch, x.Shape[1], h.Shape[1], hidden, h.Shape[2], query.Shape[0]);
        void Expect(string what, Tensor tensor, Shape shape)
        {
            Require.SameFloat(name, x, tensor);
            Require.Shape(name, what, tensor, shape);
        }
        foreach (Tensor tensor in (ReadOnlySpan<Tensor>)[h, query, recurrent]) Require.SameFloat(name, x, tensor);
        Expect("Keys", annotations.Keys, [batch, s.Source, s.Alignment]);
        Expect("State", annotations.State, [batch, hidden]);
        Expect("the energy weight", weights.Energy, [1, s.Alignment]);
        Expect("the context weight", weights.Context, [3 * hidden, s.Annotation]);
        Expect("the recurrent bias", weights.RecurrentBias, [3 * hidden]);
        if (annotations.Seen.DType != DType.Int32) throw new ShapeException(name, $"Seen {annotations.Seen.Shape} holds {annotations.Seen.DType}; Int32 was expected.");
        Require.Shape(name, "Seen", annotations.Seen, [batch, s.Source]);
        return s;
    }

    /// <summary>The loop over time, for groups of sequences that share the loads of the weights.</summary>
    readonly struct ForwardKernel(
        AlignmentSizes s, Saved saved, Tensor x, Tensor keys, Tensor state, Tensor energy, Tensor bias, Panels toQuery, Panels toInput, Panels toGates,
        Tensor states, Tensor contexts, Tensor alphas, Tensor last) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int inputs = Recurrence.Pad(3 * s.Hidden), annotation = Recurrence.Pad(s.Annotation);
            T* input = ThreadScratch<AlignmentScan>.Take<T>(Recurrence.Group * (inputs + annotation) + Recurrence.Pad(s.Source)), context = input + Recurrence.Group * inputs;
            T* alpha = context + Recurrence.Group * annotation;
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, s.Batch - first);
                for (int g = 0; g < count; g++) Recurrence.Copy(state.Pointer<T>() + (long)(first + g) * s.Hidden, State<T>(first + g, 0), s.Hidden);
                for (int t = 0; t < s.Time; t++)
                {
                    T* q = saved.Step<T>(saved.Queries, first, t), z = saved.Step<T>(saved.Gates, first, t), before = State<T>(first, t);
                    for (int g = 0; g < count; g++)
                    {
                        new Span<T>(q + (long)g * saved.Queries.Strides[0], s.Alignment).Clear();
                        Recurrence.Copy(bias.Pointer<T>(), z + (long)g * saved.Gates.Strides[0], 3 * s.Hidden);
                        Recurrence.Copy(Recurrence.At<T>(x, first + g, t), input + g * inputs, 3 * s.Hidden);
                    }
                    toQuery.MultiplyAdd<V, T>(before, states.Strides[0], q, saved.Queries.Strides[0], count);              // q_i = W_a s_i-1
                    toGates.MultiplyAdd<V, T>(before, states.Strides[0], z, saved.Gates.Strides[0], count);                // z_i = U s_i-1 + b
                    for (int g = 0; g < count; g++) Attend<V, T>(first + g, t, alpha, context + g * annotation);
                    toInput.MultiplyAdd<V, T>(context, annotation, input, inputs, count);                                  // x_i + C c_i
                    for (int g = 0; g < count; g++)
                        RecurrentStep<GruCell>.Forward<V, T>(input + g * inputs, z + (long)g * saved.Gates.Strides[0], State<T>(first + g, t), null, State<T>(first + g, t + 1),
                            saved.Step<T>(saved.Candidates, first + g, t), s.Hidden);
                }
            }
        }

        /// <summary>s before step <paramref name="t"/>, or after the last.</summary>
        T* State<T>(int b, int t) where T : unmanaged => t < s.Time ? Recurrence.At<T>(states, b, t) : last.Pointer<T>() + (long)b * s.Hidden;

        /// <summary>alpha_i and c_i of one sequence.</summary>
        void Attend<V, T>(int b, int t, T* alpha, T* context) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int positions = saved.Positions(b), annotation = Recurrence.Pad(s.Annotation);
            AlignmentModel.Weigh<V, T>(saved.Step<T>(saved.Queries, b, t), Recurrence.At<T>(keys, b, 0), energy.Pointer<T>(),
                Recurrence.At<int>(saved.Seen, b, 0), alpha, positions, Recurrence.Pad(s.Source), s.Alignment);
            new Span<T>(context, annotation).Clear();
            Recurrence.MultiplyAdd<V, T>(Recurrence.At<T>(saved.H, b, 0), annotation, alpha, 0, positions, context, 0, annotation, 1);
            Recurrence.Copy(alpha, Recurrence.At<T>(alphas, b, t), s.Source);
            Recurrence.Copy(context, Recurrence.At<T>(contexts, b, t), s.Annotation);
        }
    }

    /// <summary>Back through time by hand: ds is carried down from step to step, and each step undoes the gated unit, the context and the alignment in turn.</summary>
    protected override void Backward()
    {
        AlignmentSizes s = sizes;
        Tensor x = Input(0), keys = Input(2);
        int rows = s.Batch * s.Time;
        Tensor dx = Tensor.Zeros(x.Shape, x.DType), dz = Tensor.Empty(x.Shape, x.DType), dq = Tensor.Empty([s.Batch, s.Time, s.Alignment], x.DType);
        Tensor dContext = Tensor.Empty([s.Batch, s.Time, Recurrence.Pad(s.Annotation)], x.DType), dKeys = Tensor.Zeros(keys.Shape, x.DType);
        Tensor dState = Tensor.Zeros([s.Batch, Recurrence.Pad(s.Hidden)], x.DType), dEnergy = Tensor.Zeros([s.Batch, s.Alignment], x.DType);
        Tensor? Given(int output) => HasOutputGradient(output) ? OutputGradient(output) : null;

        Cpu.For(x.DType, Recurrence.Groups(s.Batch), 1, new BackwardKernel(s, saved, keys, Input(5), Output(0), Output(2), Given(0), Given(1), Given(2), Given(3),
            Panels.Of(Input(4)), Panels.Of(Input(6)), Panels.Of(Input(7)), dx, dz, dq, dContext, dKeys, dState, dEnergy));

        Tensor states = Output(0).Reshape([rows, s.Hidden]), contexts = Output(1).Reshape([rows, s.Annotation]);
        Tensor dxRows = dx.Reshape([rows, 3 * s.Hidden]), dzRows = dz.Reshape(dxRows.Shape), dqRows = dq.Reshape([rows, s.Alignment]);
        if (NeedsGradient(4)) Gemm.Multiply(dqRows.T, states, InputGradient(4), accumulate: true);       // dW_a = sum over i of dq_i s_i-1^T
        if (NeedsGradient(5)) Summation.AddInto(dEnergy, InputGradient(5));
        if (NeedsGradient(6)) Gemm.Multiply(dxRows.T, contexts, InputGradient(6), accumulate: true);     // dC = sum over i of dx_i c_i^T
        if (NeedsGradient(7)) Gemm.Multiply(dzRows.T, states, InputGradient(7), accumulate: true);       // dU = sum over i of dz_i s_i-1^T
        if (NeedsGradient(8)) Summation.AddInto(dzRows, InputGradient(8));                               // db = sum over i of dz_i
        if (NeedsGradient(3)) Summation.AddInto(dState.Slice(1, 0, s.Hidden), InputGradient(3));
        if (NeedsGradient(2)) GiveInputGradient(2, dKeys);
        if (NeedsGradient(1)) AnnotationGradient(Output(2), dContext, InputGradient(1));
        if (NeedsGradient(0)) GiveInputGradient(0, dx);
    }

    /// <summary>dh_j += sum over i of alpha_ij dc_i, for every sequence.</summary>
    void AnnotationGradient(Tensor alphas, Tensor dContext, Tensor dh)
    {
        BatchedGemm product = new(sizes.Source, sizes.Annotation, sizes.Time, new(1, sizes.Source), new(dContext.Strides[1], 1), new(dh.Strides[1], dh.Strides[2]));
        product.Add(sizes.Batch, alphas.Strides[0], dContext.Strides[0], dh.Strides[0]);
        product.Run(alphas, dContext, dh, accumulate: true);
    }

    readonly struct BackwardKernel(
        AlignmentSizes s, Saved saved, Tensor keys, Tensor energy, Tensor states, Tensor alphas, Tensor? dStates, Tensor? dContexts, Tensor? dAlphas, Tensor? dLast,
        Panels fromQuery, Panels fromInput, Panels fromGates, Tensor dx, Tensor dz, Tensor dq, Tensor dContext, Tensor dKeys, Tensor dState, Tensor dEnergy) : ICpuKernel
    {
        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* dAlpha = ThreadScratch<AlignmentScan>.Take<T>(Recurrence.Pad(s.Source) + s.Hidden), unused = dAlpha + Recurrence.Pad(s.Source);
            for (int group = start; group < end; group++)
            {
                int first = group * Recurrence.Group, count = Math.Min(Recurrence.Group, s.Batch - first);
                T* ds = dState.Pointer<T>() + (long)first * dState.Strides[0];
                if (dLast is { } d)
                    for (int g = 0; g < count; g++) Recurrence.Copy(d.Pointer<T>() + (long)(first + g) * s.Hidden, ds + (long)g * dState.Strides[0], s.Hidden);
                for (int t = s.Time - 1; t >= 0; t--)
                {
                    for (int g = 0; g < count; g++) Unit<V, T>(first + g, t, ds + (long)g * dState.Strides[0], unused);
                    fromInput.MultiplyAdd<V, T>(Recurrence.At<T>(dx, first, t), dx.Strides[0], Recurrence.At<T>(dContext, first, t), dContext.Strides[0], count);   // dc_i += C^T dx_i
                    for (int b = first; b < first + count; b++) Attention<V, T>(b, t, dAlpha);
                    fromQuery.MultiplyAdd<V, T>(Recurrence.At<T>(dq, first, t), dq.Strides[0], ds, dState.Strides[0], count);                                       // ds_i-1 += W_a^T dq_i
                    fromGates.MultiplyAdd<V, T>(Recurrence.At<T>(dz, first, t), dz.Strides[0], ds, dState.Strides[0], count);                                       // ds_i-1 += U^T dz_i
                    if (dStates is { } given)
                        for (int g = 0; g < count; g++) Recurrence.Add<V, T>(Recurrence.At<T>(given, first + g, t), ds + (long)g * dState.Strides[0], s.Hidden);
                }
            }
        }

        /// <summary>Back through the gated unit of one sequence: dx_i and dz_i; of ds_i is left what reaches s_i-1 past the gates. dc_i begins as what the step's output got.</summary>
        void Unit<V, T>(int b, int t, T* ds, T* unused) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            RecurrentStep<GruCell>.Backward<V, T>(saved.Step<T>(saved.Gates, b, t), Recurrence.At<T>(states, b, t), null, saved.Step<T>(saved.Candidates, b, t), ds, unused,
                Recurrence.At<T>(dz, b, t), Recurrence.At<T>(dx, b, t), s.Hidden);
            if (dContexts is { } given) Recurrence.Copy(Recurrence.At<T>(given, b, t), Recurrence.At<T>(dContext, b, t), s.Annotation);
            else new Span<T>(Recurrence.At<T>(dContext, b, t), s.Annotation).Clear();
        }

        /// <summary>Back through context and alignment of one sequence: dq_i, and what they add to dL/d(U_a h_j) and dL/dv_a.</summary>
        void Attention<V, T>(int b, int t, T* dAlpha) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            int positions = saved.Positions(b), padded = Recurrence.Pad(s.Annotation);
            T* dc = Recurrence.At<T>(dContext, b, t);
            new Span<T>(dc + s.Annotation, padded - s.Annotation).Clear();
            NtmHead.Read<V, T>(Recurrence.At<T>(saved.H, b, 0), dc, dAlpha, padded, positions);                                    // dalpha_ij = h_j . dc_i
            if (dAlphas is { } given) Recurrence.Add<V, T>(Recurrence.At<T>(given, b, t), dAlpha, positions);
            AlignmentModel.WeighBackward<V, T>(saved.Step<T>(saved.Queries, b, t), Recurrence.At<T>(keys, b, 0), energy.Pointer<T>(), Recurrence.At<T>(alphas, b, t), dAlpha,
                Recurrence.At<T>(dq, b, t), Recurrence.At<T>(dKeys, b, 0), dEnergy.Pointer<T>() + (long)b * s.Alignment, positions, s.Alignment);
        }
    }
}
