using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

// The recurrence on a GPU: one group of threads walks through one sequence, a thread for each hidden unit. The hidden state, and on the way back dL/dz, which every thread needs of all others,
// lie in shared memory; the weight is read from the cache that all groups share, by neighbouring threads at neighbouring addresses in both directions.
sealed unsafe partial class RecurrentScan<C>
{
    const int MaxThreads = 512;

    /// <summary>Floats of shared memory that a group has.</summary>
    const int SharedFloats = 12 * 1024;

    static int Shared(GpuBackend gpu, int floats) => floats <= SharedFloats ? floats
        : throw new DeviceException($"{C.Name} needs {floats:n0} floats of shared memory for a step; a group on {gpu.Name} has {SharedFloats:n0}. Use fewer hidden units, or the CPU.");

    static int Threads(int size) => Math.Min(MaxThreads, (size + 31) / 32 * 32);

    /// <summary>Views of what the forward pass saves, and which step of it is where.</summary>
    readonly struct GpuSaved(GpuBackend gpu, in Saved saved)
    {
        public readonly ArrayView<float> Z = gpu.View(saved.Z), Hidden = gpu.View(saved.Hidden), Cell = gpu.View(saved.Cell);
        readonly int batch = saved.Hidden.Shape[1], size = saved.Hidden.Shape[2], row = saved.Z.Strides[1], keeps = saved.Keeps ? 1 : 0;

        public int Step(int k, int b) => ((keeps != 0 ? k : 0) * batch + b) * row;

        public int State(int k, int b) => ((keeps != 0 ? k : k & 1) * batch + b) * size;
    }

    /// <summary>Which time each step is at. A length out of range is taken for the nearest that is not.</summary>
    readonly struct GpuOrder(GpuBackend gpu, in Order order)
    {
        readonly ArrayView<int> lengths = order.Lengths is { } given ? gpu.View<int>(given) : ArrayView<int>.Empty;
        readonly int reverse = order.Reverse ? 1 : 0;
        public readonly int Steps = order.Steps;

        public int Length(int b) => lengths.Length > 0 ? IntrinsicMath.Min(IntrinsicMath.Max(lengths[b], 0), Steps) : Steps;

        public int Time(int k, int length) => reverse != 0 ? length - 1 - k : k;
    }

    static void Forward(
        GpuBackend gpu, in Saved saved, in Order order, Tensor x, Tensor recurrent, Tensor bias, Tensor hidden, Tensor cell, Tensor y, Tensor lastHidden, Tensor lastCell)
    {
        int size = hidden.Shape[1];
        gpu.Launch(x.Shape[1], Threads(size), new GpuForward(
            new(gpu, saved), new(gpu, order), gpu.View(x), gpu.View(recurrent.T.Contiguous()), gpu.View(bias), gpu.View(hidden), gpu.View(cell),
            gpu.View(y), gpu.View(lastHidden), gpu.View(lastCell), x.Shape[1], size), Shared(gpu, 2 * size));
    }

    readonly struct GpuForward(
        GpuSaved saved, GpuOrder order, ArrayView<float> x, ArrayView<float> transposed, ArrayView<float> bias, ArrayView<float> hidden, ArrayView<float> cell,
        ArrayView<float> y, ArrayView<float> lastHidden, ArrayView<float> lastCell, int batch, int size) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<float> h = SharedMemory.GetDynamic<float>();      // before and after, taking turns
            int b = Grid.IdxX, length = order.Length(b), now = 0;
            for (int j = Group.IdxX; j < size; j += Group.DimX)
            {
                h[j] = hidden[b * size + j];
                saved.Hidden[saved.State(0, b) + j] = h[j];
                saved.Cell[saved.State(0, b) + j] = C.HasCell ? cell[b * size + j] : 0;
            }
            Group.Barrier();
            for (int k = 0; k < length; k++)
            {
                for (int j = Group.IdxX; j < size; j += Group.DimX) Unit(k, b, j, order.Time(k, length), h, now);
                Group.Barrier();
                now = size - now;
            }
            for (int j = Group.IdxX; j < size; j += Group.DimX)
            {
                lastHidden[b * size + j] = h[now + j];
                lastCell[b * size + j] = saved.Cell[saved.State(length, b) + j];
                for (int t = length; t < order.Steps; t++) y[(t * batch + b) * size + j] = 0;
            }
        }

        void Unit(int k, int b, int j, int t, ArrayView<float> h, int now)
        {
            int gates = C.Gates * size, input = (t * batch + b) * gates, z = saved.Step(k, b);
            Gates<GpuFloat> projected = C.InputApart ? Load(bias, j, size) : Load(x, input + j, size), apart = default;
            if (C.InputApart) apart = Load(x, input + j, size);
            for (int i = 0; i < size; i++)
            {
                float v = h[now + i];
                int w = i * gates + j;
                projected.A = GpuMath.Fma(transposed[w], v, projected.A);
                if (C.Gates > 1) projected.B = GpuMath.Fma(transposed[w + size], v, projected.B);
                if (C.Gates > 2) projected.C = GpuMath.Fma(transposed[w + 2 * size], v, projected.C);
                if (C.Gates > 3) projected.D = GpuMath.Fma(transposed[w + 3 * size], v, projected.D);
            }
            C.Forward(apart, ref projected, h[now + j], saved.Cell[saved.State(k, b) + j], out GpuFloat after, out GpuFloat cellAfter);
            Store(projected, saved.Z, z + j, size);
            saved.Hidden[saved.State(k + 1, b) + j] = after;
            saved.Cell[saved.State(k + 1, b) + j] = cellAfter;
            h[size - now + j] = after;
            y[(t * batch + b) * size + j] = after;
        }
    }

    static void Backward(
        GpuBackend gpu, in Saved saved, in Order order, Tensor recurrent, Tensor dy, Tensor? dLastHidden, Tensor? dLastCell, Tensor dz, Tensor dx, Tensor dHidden, Tensor dCell)
    {
        int size = dCell.Shape[1];
        gpu.Launch(dy.Shape[1], Threads(size), new GpuBackward(
            new(gpu, saved), new(gpu, order), gpu.View(recurrent.Contiguous()), gpu.View(dy), View(dLastHidden), View(dLastCell), gpu.View(dz), gpu.View(dx), gpu.View(dHidden), gpu.View(dCell),
            dy.Shape[1], size, dz.Strides[1], dHidden.Strides[0]), Shared(gpu, C.Gates * size));

        ArrayView<float> View(Tensor? tensor) => tensor is { } t ? gpu.View(t) : ArrayView<float>.Empty;
    }

    readonly struct GpuBackward(
        GpuSaved saved, GpuOrder order, ArrayView<float> recurrent, ArrayView<float> dy, ArrayView<float> dLastHidden, ArrayView<float> dLastCell,
        ArrayView<float> dz, ArrayView<float> dx, ArrayView<float> dHidden, ArrayView<float> dCell, int batch, int size, int dzRow, int dHiddenRow) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<float> slopes = SharedMemory.GetDynamic<float>();  // dL/dz of this step
            int b = Grid.IdxX, length = order.Length(b);
            for (int j = Group.IdxX; j < size; j += Group.DimX)
            {
                if (dLastHidden.Length > 0) dHidden[b * dHiddenRow + j] = dLastHidden[b * size + j];
                if (dLastCell.Length > 0) dCell[b * size + j] = dLastCell[b * size + j];
            }
            for (int k = length - 1; k >= 0; k--)
            {
                for (int j = Group.IdxX; j < size; j += Group.DimX) Unit(k, b, j, order.Time(k, length), slopes);
                Group.Barrier();
                for (int j = Group.IdxX; j < size; j += Group.DimX)
                {
                    float sum = dHidden[b * dHiddenRow + j];
                    for (int i = 0; i < C.Gates * size; i++) sum = GpuMath.Fma(recurrent[i * size + j], slopes[i], sum);
                    dHidden[b * dHiddenRow + j] = sum;
                }
                Group.Barrier();
            }
        }

        void Unit(int k, int b, int j, int t, ArrayView<float> slopes)
        {
            int z = saved.Step(k, b) + j, before = saved.State(k, b) + j, after = saved.State(k + 1, b) + j, input = (t * batch + b) * C.Gates * size + j;
            GpuFloat dh = dHidden[b * dHiddenRow + j] + dy[(t * batch + b) * size + j], dc = dCell[b * size + j];
            C.Backward(Load(saved.Z, z, size), saved.Hidden[before], saved.Cell[before], saved.Cell[after], ref dh, ref dc, out Gates<GpuFloat> gates, out Gates<GpuFloat> apart);
            dHidden[b * dHiddenRow + j] = dh;
            dCell[b * size + j] = dc;
            Store(gates, slopes, j, size);
            Store(gates, dz, (k * batch + b) * dzRow + j, size);
            Gates<GpuFloat> sum = Load(dx, input, size), added = C.InputApart ? apart : gates;
            sum.A += added.A;
            if (C.Gates > 1) sum.B += added.B;
            if (C.Gates > 2) sum.C += added.C;
            if (C.Gates > 3) sum.D += added.D;
            Store(sum, dx, input, size);
        }
    }

    static Gates<GpuFloat> Load(ArrayView<float> from, int first, int size)
    {
        Gates<GpuFloat> gates = default;
        gates.A = from[first];
        if (C.Gates > 1) gates.B = from[first + size];
        if (C.Gates > 2) gates.C = from[first + 2 * size];
        if (C.Gates > 3) gates.D = from[first + 3 * size];
        return gates;
    }

    static void Store(in Gates<GpuFloat> gates, ArrayView<float> to, int first, int size)
    {
        to[first] = gates.A;
        if (C.Gates > 1) to[first + size] = gates.B;
        if (C.Gates > 2) to[first + 2 * size] = gates.C;
        if (C.Gates > 3) to[first + 3 * size] = gates.D;
    }
}
