using ILGPU;
using NeuralMemory.Optimizers;

namespace NeuralMemory.Gpu;

/// <summary>
/// An optimiser's parameters side by side in one block of device memory, their gradients in another, and each state in one more, so that one launch updates all of them, and one sums the
/// squares of all gradients. The tensors stay what they are, and only move: a view of a parameter that was made before is cut off.
/// </summary>
sealed class GpuParameters
{
    /// <summary>Elements that a group of threads updates. Every parameter begins at a multiple, so that a group has one parameter.</summary>
    public const int Chunk = 1024;

    readonly TensorBody[] members;
    readonly int[] offsets;
    readonly Tensor weights;
    readonly Tensor?[] states = new Tensor?[3];

    public GpuParameters(Optimizer optimizer)
    {
        members = [.. optimizer.Parameters.Select(p => p.Body)];
        offsets = new int[members.Length];
        List<int> owners = [];
        for (int i = 0; i < members.Length; i++)
        {
            offsets[i] = owners.Count * Chunk;
            for (int done = 0; done < members[i].Count; done += Chunk) owners.Add(i);
        }
        using (Tape.OutsideStep())
        {
            Owners = Tensor.From(owners.ToArray(), [owners.Count]);
            Gradients = Tensor.Zeros([owners.Count * Chunk]);
            weights = Tensor.Zeros([owners.Count * Chunk]);
            for (int i = 0; i < members.Length; i++)
            {
                Move(members[i], weights, offsets[i]);
                if (members[i].Gradient.IsAlive) Move(members[i].Gradient.Body, Gradients, offsets[i]);
                else members[i].GradientPlace = Place(members[i], Gradients, offsets[i]);
                members[i].Group = this;
            }
            for (int s = 0; s < states.Length; s++)
            {
                if (optimizer.States(s) is not { } tensors) continue;
                Tensor block = Tensor.Zeros([owners.Count * Chunk]);
                for (int i = 0; i < members.Length; i++) Move(tensors[i].Body, block, offsets[i]);
                states[s] = block;
            }
        }
    }

    /// <summary>Which parameter each chunk belongs to.</summary>
    public Tensor Owners { get; }

    /// <summary>The parameters' elements, with zeros between them.</summary>
    public Tensor Weights => weights;

    /// <summary>Their gradients' elements: zeros where there are none.</summary>
    public Tensor Gradients { get; }

    /// <summary>A state's elements; null where there is no such state.</summary>
    public Tensor? States(int slot) => states[slot];

    /// <summary>Whether all parameters still are where they were moved to.</summary>
    public bool IsCurrent => members.All(member => member.Storage == weights.Body.Storage);

    /// <summary>The group whose gradients are those of <paramref name="parameters"/>; null where there is none.</summary>
    public static GpuParameters? Of(IReadOnlyList<Tensor> parameters)
    {
        if (parameters.Count == 0 || parameters[0].Body.Group is not GpuParameters group || group.members.Length != parameters.Count) return null;
        for (int i = 0; i < parameters.Count; i++)
        {
            TensorBody member = parameters[i].Body;
            if (member != group.members[i] || member.Group != group || (member.Gradient.IsAlive && member.Gradient.Body.Storage != group.Gradients.Body.Storage)) return null;
        }
        return group;
    }

    static Tensor Place(TensorBody like, Tensor block, int offset)
    {
        TensorBody body = new() { Backend = like.Backend, Storage = block.Body.Storage };
        body.Set(block.Address + (nint)offset * sizeof(float), like.Shape, like.Strides, like.DType);
        return body.Handle;
    }

    static void Move(TensorBody body, Tensor block, int offset)
    {
        Tensor place = Place(body, block, offset);
        body.Backend.Copy(body.Handle, place);
        body.Storage = block.Body.Storage;
        body.Set(place.Address, body.Shape, body.Strides, body.DType);
    }
}

/// <summary>An optimiser's step over all its parameters, in one launch.</summary>
static unsafe class GpuOptimizer
{
    /// <summary>A parameter's rule, and whether it has a gradient in this step.</summary>
    internal readonly struct Entry<R>(R rule, int active) where R : unmanaged
    {
        public readonly R Rule = rule;
        public readonly int Active = active;
    }

    /// <summary>What is kept from step to step: where the parameters are, and the table of their rules, here and on the device.</summary>
    sealed class Memory<R>(Optimizer<R> optimizer) where R : unmanaged, IUpdateRule
    {
        public readonly GpuParameters Parameters = new(optimizer);
        public readonly Entry<R>[] Table = new Entry<R>[optimizer.Parameters.Count];
        public readonly Tensor DeviceTable = Tensor.Persistent([(optimizer.Parameters.Count * sizeof(Entry<R>) + 3) / 4], DType.Int32);
    }

    public static void Step<R>(GpuBackend gpu, Optimizer<R> optimizer, ReadOnlySpan<R> rules, Tensor? guard) where R : unmanaged, IUpdateRule
    {
        if (optimizer.DeviceMemory is not Memory<R> { Parameters.IsCurrent: true } memory) optimizer.DeviceMemory = memory = new(optimizer);
        for (int i = 0; i < rules.Length; i++) memory.Table[i] = new(rules[i], optimizer.Parameters[i].HasGradient ? 1 : 0);
        fixed (Entry<R>* table = memory.Table) gpu.CopyFromHost(table, memory.DeviceTable.Address, (long)memory.Table.Length * sizeof(Entry<R>));

        GpuParameters p = memory.Parameters;
        ArrayView<Entry<R>> entries = gpu.View<int>(memory.DeviceTable).Cast<Entry<R>>();
        gpu.Launch(p.Owners.Count, GpuBackend.GroupSize, new GroupUpdate<R>(
            entries, gpu.View<int>(p.Owners), gpu.View(p.Gradients), gpu.View(p.Weights),
            State(0), State(1), State(2), gpu.View(guard ?? p.Weights), guard is null ? 0 : 1));

        ArrayView<float> State(int slot) => p.States(slot) is { } state ? gpu.View(state) : ArrayView<float>.Empty;
    }

    readonly struct GroupUpdate<R>(
        ArrayView<Entry<R>> entries, ArrayView<int> owners, ArrayView<float> gradients, ArrayView<float> weights,
        ArrayView<float> a, ArrayView<float> b, ArrayView<float> c, ArrayView<float> guard, int guarded) : IGpuKernel where R : unmanaged, IUpdateRule
    {
        public void Run()
        {
            Entry<R> entry = entries[owners[Grid.IdxX]];
            if (entry.Active == 0 || (guarded != 0 && !float.IsFinite(guard[0]))) return;
            int start = Grid.IdxX * GpuParameters.Chunk;
            for (int i = start + Group.IdxX; i < start + GpuParameters.Chunk; i += Group.DimX) Element(entry.Rule, i, gradients, weights, a, b, c);
        }
    }

    static void Element<R>(R rule, int i, ArrayView<float> gradients, ArrayView<float> weights, ArrayView<float> a, ArrayView<float> b, ArrayView<float> c)
        where R : unmanaged, IUpdateRule
    {
        GpuFloat w = weights[i], ai = 0, bi = 0, ci = 0;
        if (a.Length > 0) ai = a[i];
        if (b.Length > 0) bi = b[i];
        if (c.Length > 0) ci = c[i];
        rule.Apply<GpuFloat>(gradients[i], ref w, ref ai, ref bi, ref ci);
        weights[i] = w;
        if (a.Length > 0) a[i] = ai;
        if (b.Length > 0) b[i] = bi;
        if (c.Length > 0) c[i] = ci;
    }

    /// <summary>One rule over the elements of tensors.</summary>
    public static void Update<R>(GpuBackend gpu, R rule, Tensor gradients, Tensor weights, Tensor? a, Tensor? b, Tensor? c) where R : unmanaged, IUpdateRule =>
        gpu.LaunchEach(weights.Count, new EachUpdate<R>(rule, gpu.View(gradients), gpu.View(weights), View(gpu, a), View(gpu, b), View(gpu, c)));

    static ArrayView<float> View(GpuBackend gpu, Tensor? tensor) => tensor is { } t ? gpu.View(t) : ArrayView<float>.Empty;

    readonly struct EachUpdate<R>(
        R rule, ArrayView<float> gradients, ArrayView<float> weights, ArrayView<float> a, ArrayView<float> b, ArrayView<float> c) : IGpuKernel
        where R : unmanaged, IUpdateRule
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < weights.IntLength) Element(rule, i, gradients, weights, a, b, c);
        }
    }
}

/// <summary>What is done to gradients between the backward pass and an optimiser's step, all on the device.</summary>
static class GpuGradients
{
    /// <summary>Elements whose squares one group sums.</summary>
    const int Part = 8192;

    /// <summary>Clips every element to [-limit, limit], and then the norm of all gradients to <paramref name="maxNorm"/>; returns the norm in between. Shape [].</summary>
    public static Tensor Clip(GpuBackend gpu, IReadOnlyList<Tensor> parameters, double? limit, double? maxNorm)
    {
        GpuParameters? group = GpuParameters.Of(parameters);
        int tensors = group is null ? parameters.Count : 1, parts = 0;
        for (int i = 0; i < tensors; i++)
            if (Gradient(i) is { } gradient) parts += Parts(gradient);

        Tensor norm = Tensor.Zeros([]), sums = Tensor.Empty([parts]);
        parts = 0;
        for (int i = 0; i < tensors; i++)
        {
            if (Gradient(i) is not { Count: > 0 } gradient) continue;
            if (limit is { } l) gpu.LaunchEach(gradient.Count, new Clamp(gpu.View(gradient), (float)l));
            gpu.Launch(Parts(gradient), GpuBackend.GroupSize, new SquareSums(gpu.View(gradient), gpu.View(sums), parts));
            parts += Parts(gradient);
        }
        if (parts == 0) return norm;
        gpu.Launch(1, GpuBackend.GroupSize, new Root(gpu.View(sums), gpu.View(norm)));
        if (maxNorm is { } max)
            for (int i = 0; i < tensors; i++)
                if (Gradient(i) is { } gradient) gpu.LaunchEach(gradient.Count, new Shrink(gpu.View(gradient), gpu.View(norm), (float)max));
        return norm;

        Tensor? Gradient(int i)
        {
            if (group is not null) return group.Gradients;
            if (!parameters[i].HasGradient) return null;
            Tensor gradient = parameters[i].Gradient;
            return gradient.IsContiguous ? gradient
                : throw new ShapeException("Gradients", $"{gradient.Shape} is the gradient of a view, with strides {gradient.Strides}; pass the tensors themselves.");
        }

        static int Parts(Tensor gradient) => (gradient.Count + Part - 1) / Part;
    }

    readonly struct Clamp(ArrayView<float> gradient, float limit) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i < gradient.IntLength) gradient[i] = GpuFloat.Max(-limit, GpuFloat.Min(gradient[i], limit));
        }
    }

    readonly struct SquareSums(ArrayView<float> gradient, ArrayView<float> sums, int first) : IGpuKernel
    {
        public void Run()
        {
            int start = Grid.IdxX * Part, end = IntrinsicMath.Min(start + Part, gradient.IntLength);
            float sum = 0;
            for (int i = start + Group.IdxX; i < end; i += Group.DimX) sum = GpuMath.Fma(gradient[i], gradient[i], sum);
            sum = GroupReduce.Sum(sum);
            if (Group.IdxX == 0) sums[first + Grid.IdxX] = sum;
        }
    }

    readonly struct Root(ArrayView<float> sums, ArrayView<float> norm) : IGpuKernel
    {
        public void Run()
        {
            float sum = 0;
            for (int i = Group.IdxX; i < sums.IntLength; i += Group.DimX) sum += sums[i];
            sum = GroupReduce.Sum(sum);
            if (Group.IdxX == 0) norm[0] = GpuFloat.Sqrt(sum);
        }
    }

    /// <summary>g = g min(1, maxNorm / (norm + 1e-6)).</summary>
    readonly struct Shrink(ArrayView<float> gradient, ArrayView<float> norm, float maxNorm) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            float coefficient = maxNorm / (norm[0] + 1e-6f);
            if (i < gradient.IntLength && !(coefficient >= 1)) gradient[i] *= coefficient;
        }
    }
}
