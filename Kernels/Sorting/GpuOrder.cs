using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>
/// What <see cref="Order{T, K}"/> is to a CPU: runs of up to 2048 elements are sorted in shared memory by a bitonic network (Batcher 1968), and merged two by two, each element finding its place by
/// bisection in the other run. Equal elements are told apart by where they stand, so there is one order only.
/// </summary>
static class GpuOrder
{
    /// <summary>Elements that a group sorts.</summary>
    const int RunLength = 2048;

    /// <summary>For each fibre of <paramref name="x"/> the places of its elements in their order, as many as a list of <paramref name="lists"/> [.., k] has room for.</summary>
    public static void Sort(GpuBackend gpu, in Fibres fibres, Tensor x, Tensor lists, bool descending)
    {
        int n = fibres.Length, k = lists.Shape[^1];
        if (lists.Count == 0) return;
        Keys keys = new(gpu.View(x), new(fibres), descending ? 1 : 0);
        int runs = (n - 1) / RunLength + 1, padded = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(n, RunLength));
        Tensor from = runs == 1 ? lists : Tensor.Empty([fibres.Count, n], DType.Int32), other = runs <= 2 ? lists : Tensor.Empty(from.Shape, DType.Int32);
        gpu.Launch(fibres.Count * runs, Math.Clamp(padded / 2, 32, GpuBackend.GroupSize), new SortRuns(keys, gpu.View<int>(from), n, runs, padded, runs == 1 ? k : n));
        for (int width = RunLength; width < n; width *= 2)
        {
            bool last = n - width <= width;
            Tensor to = last ? lists : other;
            gpu.LaunchEach(fibres.Count * n, new Merge(keys, gpu.View<int>(from), gpu.View<int>(to), fibres.Count * n, n, width, last ? k : n));
            if (last) return;
            (from, other) = (to, from);
        }
    }

    /// <summary>Elements as unsigned numbers in the same order: the bits of a float are, but for the sign. NaN is above all, and -0 is 0.</summary>
    readonly struct Keys(ArrayView<float> x, GpuFibres fibres, int descending)
    {
        public GpuFibre Fibre(int number) => fibres[number];

        public uint this[int offset]
        {
            get
            {
                float value = x[offset];
                uint bits = Interop.FloatAsInt(value == 0 ? 0 : value), key = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
                if (float.IsNaN(value)) key = uint.MaxValue;
                return descending != 0 ? ~key : key;
            }
        }
    }

    static bool Before(uint keyA, int a, uint keyB, int b) => keyA < keyB || (keyA == keyB && a < b);

    /// <summary>One run of a fibre by a group. The run is filled up to a power of 2 by what comes behind everything.</summary>
    readonly struct SortRuns(Keys keys, ArrayView<int> lists, int n, int runs, int padded, int listLength) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<uint> key = SharedMemory.Allocate<uint>(RunLength);
            ArrayView<int> place = SharedMemory.Allocate<int>(RunLength);
            int number = Grid.IdxX / runs, first = (Grid.IdxX - number * runs) * RunLength;
            GpuFibre fibre = keys.Fibre(number);
            for (int i = Group.IdxX; i < padded; i += Group.DimX)
            {
                place[i] = first + i;
                key[i] = first + i < n ? keys[fibre.At0(first + i)] : uint.MaxValue;
            }
            Group.Barrier();
            for (int size = 2; size <= padded; size *= 2)                          // runs of this size, one ascending, the next descending
                for (int distance = size / 2; distance > 0; distance /= 2)
                {
                    for (int pair = Group.IdxX; pair < padded / 2; pair += Group.DimX)
                    {
                        int low = 2 * pair - (pair & (distance - 1)), high = low + distance, a = place[low], b = place[high];
                        uint keyA = key[low], keyB = key[high];
                        if (Before(keyB, b, keyA, a) != ((low & size) == 0)) continue;
                        place[low] = b;
                        place[high] = a;
                        key[low] = keyB;
                        key[high] = keyA;
                    }
                    Group.Barrier();
                }
            for (int i = Group.IdxX; i < padded && first + i < listLength; i += Group.DimX) lists[number * listLength + first + i] = place[i];
        }
    }

    /// <summary>Each element of two neighbouring runs of <paramref name="width"/> to its place in both: as many are before it in its own run as stand there, and in the other as come before it.</summary>
    readonly struct Merge(Keys keys, ArrayView<int> from, ArrayView<int> to, int count, int n, int width, int listLength) : IGpuKernel
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= count) return;
            int number = i / n, list = number * n, at = i - list, run = at / width, start = (run & ~1) * width;
            int other = (run ^ 1) * width, low = 0, high = Math.Max(0, Math.Min(width, n - other));
            GpuFibre fibre = keys.Fibre(number);
            int place = from[i];
            uint key = keys[fibre.At0(place)];
            while (low < high)
            {
                int middle = (low + high) / 2, candidate = from[list + other + middle];
                if (Before(keys[fibre.At0(candidate)], candidate, key, place)) low = middle + 1;
                else high = middle;
            }
            int rank = start + (at - run * width) + low;
            if (rank < listLength) to[number * listLength + rank] = place;
        }
    }
}
