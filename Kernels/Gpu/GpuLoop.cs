using System.Runtime.CompilerServices;

namespace NeuralMemory.Gpu;

/// <summary>What <see cref="StridedLoop"/> is to a CPU's loop: where element i of a shape lies in each of up to four tensors. Passed to kernels by value.</summary>
readonly struct GpuLoop
{
    /// <summary>The number of elements.</summary>
    public readonly int Count;

    /// <summary>Dimensions that are left once those that lie without gaps in every tensor have been joined: 1 where all are contiguous.</summary>
    public readonly int Rank;

    /// <summary>How many neighbouring elements a thread takes: 4 where every tensor has them in one aligned piece, or repeats one; else 1.</summary>
    public readonly int Width;

    // The last dimension first.
    readonly Eight sizes, strides0, strides1, strides2, strides3;

    /// <summary>The same way as <paramref name="loop"/>'s.</summary>
    /// <param name="loop">The way.</param>
    /// <param name="tensors">The loop's tensors, which are looked at for a <see cref="Width"/> of 4; then others, which are contiguous. Without any, the width is 1.</param>
    public GpuLoop(in StridedLoop loop, params ReadOnlySpan<Tensor> tensors)
    {
        (Count, Rank) = (loop.Count, loop.Sizes.Rank);
        sizes = new(loop.Sizes);
        (strides0, strides1, strides2, strides3) = (new(loop.Strides(0)), new(loop.Strides(1)), new(loop.Strides(2)), new(loop.Strides(3)));
        Width = tensors.Length > 0 && Fours(loop, tensors) ? 4 : 1;
    }

    static bool Fours(in StridedLoop loop, ReadOnlySpan<Tensor> tensors)
    {
        if (loop.Sizes.Rank > 1 && loop.Inner % 4 != 0) return false;
        for (int k = 0; k < tensors.Length; k++)
        {
            if (k < 4 && loop.InnerStride(k) == 0) continue;
            if (tensors[k].Body.Address % 16 != 0) return false;
            if (k >= 4) continue;
            if (loop.InnerStride(k) != 1) return false;
            for (int d = 0; d < loop.Sizes.Rank - 1; d++)
                if (loop.Strides(k)[d] % 4 != 0) return false;
        }
        return true;
    }

    /// <summary>How many threads it takes.</summary>
    public int Threads => (int)(((long)Count + Width - 1) / Width);

    /// <summary>From an element to the next along the last dimension, in each tensor.</summary>
    public int Step0 => strides0.A;

    /// <inheritdoc cref="Step0"/>
    public int Step1 => strides1.A;

    /// <inheritdoc cref="Step0"/>
    public int Step2 => strides2.A;

    /// <inheritdoc cref="Step0"/>
    public int Step3 => strides3.A;

    /// <summary>Whether element i of tensor <paramref name="k"/> lies at offset i.</summary>
    public bool IsContiguous(int k) => Rank == 1 && (k switch { 0 => strides0.A, 1 => strides1.A, 2 => strides2.A, _ => strides3.A }) == 1;

    /// <summary>Where element <paramref name="index"/> lies in each tensor.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Locate(int index, out int o0, out int o1, out int o2, out int o3)
    {
        if (Rank == 1)
        {
            (o0, o1, o2, o3) = (index * strides0.A, index * strides1.A, index * strides2.A, index * strides3.A);
            return;
        }
        o0 = o1 = o2 = o3 = 0;
        Add(ref index, sizes.A, strides0.A, strides1.A, strides2.A, strides3.A, ref o0, ref o1, ref o2, ref o3);
        Add(ref index, sizes.B, strides0.B, strides1.B, strides2.B, strides3.B, ref o0, ref o1, ref o2, ref o3);
        if (Rank == 2) return;
        Add(ref index, sizes.C, strides0.C, strides1.C, strides2.C, strides3.C, ref o0, ref o1, ref o2, ref o3);
        if (Rank == 3) return;
        Add(ref index, sizes.D, strides0.D, strides1.D, strides2.D, strides3.D, ref o0, ref o1, ref o2, ref o3);
        if (Rank == 4) return;
        Add(ref index, sizes.E, strides0.E, strides1.E, strides2.E, strides3.E, ref o0, ref o1, ref o2, ref o3);
        Add(ref index, sizes.F, strides0.F, strides1.F, strides2.F, strides3.F, ref o0, ref o1, ref o2, ref o3);
        Add(ref index, sizes.G, strides0.G, strides1.G, strides2.G, strides3.G, ref o0, ref o1, ref o2, ref o3);
        Add(ref index, sizes.H, strides0.H, strides1.H, strides2.H, strides3.H, ref o0, ref o1, ref o2, ref o3);
    }

    /// <summary>Takes the last dimension off an index, and adds what it contributes to the offsets.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Add(ref int index, int size, int s0, int s1, int s2, int s3, ref int o0, ref int o1, ref int o2, ref int o3)
    {
        int rest = index / size, i = index - rest * size;
        index = rest;
        o0 += i * s0;
        o1 += i * s1;
        o2 += i * s2;
        o3 += i * s3;
    }

    /// <summary>A shape as a kernel can hold it: its last size, or stride, first.</summary>
    readonly struct Eight(Shape shape)
    {
        public readonly int
            A = At(shape, 1), B = At(shape, 2), C = At(shape, 3), D = At(shape, 4),
            E = At(shape, 5), F = At(shape, 6), G = At(shape, 7), H = At(shape, 8);

        static int At(Shape shape, int fromEnd) => fromEnd <= shape.Rank ? shape[^fromEnd] : 1;
    }
}
