using System.Numerics;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Copies parts of a matrix into the order in which the micro-kernel reads them, so that it walks through memory one line after another.</summary>
/// <remarks>
/// Copying whole vectors and transposing four by four instead of value by value took 12 x 64 x 512 with B transposed from 23 to 49 GFLOP/s, and squares of
/// 512 from 80 to 97; eight runs of four steps at once took 12 x 128 x 512 from 52 to 62.
/// </remarks>
static unsafe class GemmPacking
{
    /// <summary>Steps of a run that are copied before the next run's: a line of the cache, read once even if all runs fall into the same set of it.</summary>
    const int Line = 16;

    /// <summary>
    /// Step p of run i goes to <c>to[p * width + i]</c>; what lies between the last run and the width is undefined. For A the runs are a tile's rows,
    /// for B its columns, transposed. What follows the runs of a step is written over, up to a vector, unless this must not spill: where other runs already lie beside these.
    /// </summary>
    public static void Interleave<V, T>(Matrix<T> runs, T* to, int width, bool spills = true) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int count = runs.Rows, steps = runs.Columns;
        if (runs.RowStride == 1) Copy<V, T>(runs, to, width, spills);
        else if (typeof(T) == typeof(float) && runs.ColumnStride == 1 && Quad.IsSupported)
        {
            int whole = steps & -4, packed = spills ? count : count & -4;
            for (int line = 0; line < whole; line += Line)
            {
                int length = Math.Min(Line, whole - line), i = 0;
                if (Avx.IsSupported)
                    for (; i <= count - 8; i += 8) Eight((float*)runs.At(i, line), runs.RowStride, length, (float*)to + (long)line * width + i, width);
                for (; i < packed; i += 4) Four((float*)runs.At(i, line), runs.RowStride, Math.Min(4, count - i), length, (float*)to + (long)line * width + i, width);
            }
            if (packed < count) OneByOne(runs.Block(packed, 0, count - packed, whole), to + packed, width, 0);
            OneByOne(runs, to, width, whole);
        }
        else OneByOne(runs, to, width, 0);
    }

    /// <summary>Each step is contiguous. Where that may spill, whole vectors are written, which the next step's then overwrite in part.</summary>
    static void Copy<V, T>(Matrix<T> runs, T* to, int width, bool spills) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* from = runs.Address;
        nint stride = runs.ColumnStride;
        int rest = runs.Rows % V.Count, whole = runs.Rows - rest;
        for (int p = runs.Columns; p > 0; p--, from += stride, to += width)
        {
            for (int i = 0; i < whole; i += V.Count) V.Store(to + i, V.Load(from + i));
            if (rest == 0) continue;
            V last = V.LoadPartial(from + whole, rest, T.Zero);
            if (spills && p > 1 && V.Count - rest <= width) V.Store(to + whole, last);
            else V.StorePartial(to + whole, last, rest);
        }
    }

    static void OneByOne<T>(Matrix<T> runs, T* to, int width, int from) where T : unmanaged
    {
        for (int p = from; p < runs.Columns; p++)
            for (int i = 0; i < runs.Rows; i++) to[(long)p * width + i] = *runs.At(i, p);
    }

    /// <summary>Steps of up to four runs, four at a time; a run that is not there is read as the one before it.</summary>
    static void Four(float* from, nint stride, int runs, int steps, float* to, nint width)
    {
        nint toB = runs > 1 ? stride : 0, toC = runs > 2 ? 2 * stride : toB, toD = runs > 3 ? 3 * stride : toC;
        for (; steps > 0; steps -= 4, from += 4, to += 4 * width)
        {
            Vector128<float> a = Vector128.Load(from), b = Vector128.Load(from + toB), c = Vector128.Load(from + toC), d = Vector128.Load(from + toD);
            Quad.Transpose(ref a, ref b, ref c, ref d);
            a.Store(to);
            b.Store(to + width);
            c.Store(to + 2 * width);
            d.Store(to + 3 * width);
        }
    }

    /// <summary>The same of eight runs: the upper halves hold the last four.</summary>
    static void Eight(float* from, nint stride, int steps, float* to, nint width)
    {
        float* upper = from + 4 * stride;
        for (; steps > 0; steps -= 4, from += 4, upper += 4, to += 4 * width)
        {
            Vector256<float> a = Vector256.Create(Vector128.Load(from), Vector128.Load(upper));
            Vector256<float> b = Vector256.Create(Vector128.Load(from + stride), Vector128.Load(upper + stride));
            Vector256<float> c = Vector256.Create(Vector128.Load(from + 2 * stride), Vector128.Load(upper + 2 * stride));
            Vector256<float> d = Vector256.Create(Vector128.Load(from + 3 * stride), Vector128.Load(upper + 3 * stride));
            Quad.Transpose(ref a, ref b, ref c, ref d);
            a.Store(to);
            b.Store(to + width);
            c.Store(to + 2 * width);
            d.Store(to + 3 * width);
        }
    }
}
