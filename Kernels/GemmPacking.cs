using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>Copies parts of a matrix into the order in which the micro-kernel reads them, so that it walks through memory one line after another.</summary>
/// <remarks>
/// Copying whole vectors and transposing four by four instead of value by value took 12 x 64 x 512 with B transposed from 23 to 49 GFLOP/s, and squares of
/// 512 from 80 to 97.
/// </remarks>
static unsafe class GemmPacking
{
    /// <summary>Steps of a run that are copied before the next run's: a line of the cache, read once even if all runs fall into the same set of it.</summary>
    const int Line = 16;

    /// <summary>
    /// Step p of run i goes to <c>to[p * width + i]</c>; what lies between the last run and the width is undefined. For A the runs are a tile's rows,
    /// for B its columns, transposed.
    /// </summary>
    public static void Interleave<V, T>(Matrix<T> runs, T* to, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int count = runs.Rows, steps = runs.Columns;
        if (runs.RowStride == 1)
        {
            for (int p = 0; p < steps; p++, to += width)
            {
                T* from = runs.At(0, p);
                int i = 0;
                for (; i <= count - V.Count; i += V.Count) V.Store(to + i, V.Load(from + i));
                if (i < count) V.StorePartial(to + i, V.LoadPartial(from + i, count - i, T.Zero), count - i);
            }
        }
        else if (typeof(T) == typeof(float) && runs.ColumnStride == 1 && HasUnpack)
        {
            int whole = steps & -4;
            for (int line = 0; line < whole; line += Line)
                for (int i = 0; i < count; i += 4)
                    for (int p = line; p < Math.Min(line + Line, whole); p += 4)
                        Transpose((float*)runs.At(i, p), runs.RowStride, Math.Min(4, count - i), (float*)to + (long)p * width + i, width);
            OneByOne(runs, to, width, whole);
        }
        else OneByOne(runs, to, width, 0);
    }

    static void OneByOne<T>(Matrix<T> runs, T* to, int width, int from) where T : unmanaged
    {
        for (int p = from; p < runs.Columns; p++)
            for (int i = 0; i < runs.Rows; i++) to[(long)p * width + i] = *runs.At(i, p);
    }

    /// <summary>Four steps of up to four runs; a run that is not there is read as the one before it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    static void Transpose(float* from, nint stride, int runs, float* to, int width)
    {
        Vector128<float> a = Vector128.Load(from), b = runs > 1 ? Vector128.Load(from + stride) : a;
        Vector128<float> c = runs > 2 ? Vector128.Load(from + 2 * stride) : b, d = runs > 3 ? Vector128.Load(from + 3 * stride) : c;
        Vector128<float> ac01 = Low(a, c), bd01 = Low(b, d), ac23 = High(a, c), bd23 = High(b, d);      // a0 c0 a1 c1, ...
        Low(ac01, bd01).Store(to);
        High(ac01, bd01).Store(to + width);
        Low(ac23, bd23).Store(to + 2 * width);
        High(ac23, bd23).Store(to + 3 * width);
    }

    /// <summary>Whether the machine can interleave the lanes of two vectors.</summary>
    public static bool HasUnpack => Sse.IsSupported || AdvSimd.Arm64.IsSupported;

    /// <summary>a0 b0 a1 b1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Low(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackLow(a, b) : AdvSimd.Arm64.ZipLow(a, b);

    /// <summary>a2 b2 a3 b3.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> High(Vector128<float> a, Vector128<float> b) => Sse.IsSupported ? Sse.UnpackHigh(a, b) : AdvSimd.Arm64.ZipHigh(a, b);
}
