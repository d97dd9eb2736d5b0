using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>A recurrence along a fibre: each result follows from an element and a state of up to two numbers.</summary>
interface IScan
{
    /// <summary>Where the first number of the state begins; the second begins at 0.</summary>
    static abstract V First<V>() where V : struct, ISimd<V>;

    /// <summary>The next result. To be inlined aggressively.</summary>
    static abstract V Next<V>(V x, ref V state, ref V rest) where V : struct, ISimd<V>;
}

/// <summary>target += the results of a recurrence along the source's fibres, from their beginning or in <paramref name="reverse"/>; where the target <paramref name="isZero"/>, they are written.</summary>
readonly unsafe struct Scan<S>(Fibres fibres, Tensor source, Tensor target, bool reverse, bool isZero) : ICpuKernel where S : struct, IScan
{
    /// <summary>How many elements of as many rows as a vector has lanes are turned at a time.</summary>
    const int Piece = 64;

    /// <summary>Runs the kernel over all fibres.</summary>
    public static void Run(in Fibres fibres, Tensor source, Tensor target, bool reverse, bool isZero)
    {
        int grain = fibres.Grain(4);
        if (!fibres.Across) grain = Math.Max(16, grain / 16 * 16);            // lanes of the widest vector
        Cpu.For(source.DType, fibres.Count, grain, new Scan<S>(fibres, source, target, reverse, isZero));
    }

    public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (fibres.Across || typeof(T) == typeof(double)) Along<V, T>(start, end);
        else if (fibres.AreRows && V.Count > 1) Turned<V, T>(start, end);
        else Along<Float32x1, float>(start, end);                          // each result needs the one before it: one lane
    }

    void Along<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int n = fibres.Length;
        bool add = !isZero;
        long first = reverse ? n - 1 : 0, sign = reverse ? -1 : 1, alongX = sign * fibres.Along(0), alongY = sign * fibres.Along(1);
        int laneX = fibres.Lane(0), laneY = fibres.Lane(1);
        for (int taken; start < end; start += taken)
        {
            taken = fibres.Take<V>(start, end, out long from, out long to, out _, out _);
            T* x = source.Pointer<T>() + from + first * fibres.Along(0), y = target.Pointer<T>() + to + first * fibres.Along(1);
            if (V.Count == 1 || (laneX == 1 && laneY == 1))
            {
                Neighbours<V, T>(x, alongX, y, alongY, n, taken, add);
                continue;
            }
            V state = S.First<V>(), rest = V.Zero;
            for (int j = 0; j < n; j++, x += alongX, y += alongY)
            {
                V result = S.Next(Lanes.Load<V, T>(x, laneX, taken), ref state, ref rest);
                Lanes.Store(y, laneY, add ? Lanes.Load<V, T>(y, laneY, taken) + result : result, taken);
            }
        }
    }

    /// <summary>Fibres whose lanes are neighbours, or one fibre: a loop of its own, as the calls for others would keep the state in memory.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Neighbours<V, T>(T* x, long alongX, T* y, long alongY, int n, int taken, bool add) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V state = S.First<V>(), rest = V.Zero;
        for (int j = 0; j < n; j++, x += alongX, y += alongY)
        {
            V result = S.Next(Lanes.Load<V, T>(x, 1, taken), ref state, ref rest);
            Lanes.Store(y, 1, add ? Lanes.Load<V, T>(y, 1, taken) + result : result, taken);
        }
    }

    /// <summary>Rows that are neighbours, a piece of each at a time, turned so that lanes are rows: their results, each of which waits for the one before it, are made side by side.</summary>
    [SkipLocalsInit]
    void Turned<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int n = fibres.Length, apartX = fibres.Others.InnerStride(0), apartY = fibres.Others.InnerStride(1), step = reverse ? -V.Count : V.Count;
        T* piece = stackalloc T[Piece * V.Count];
        new Span<T>(piece, Piece * V.Count).Clear();
        for (int taken; start < end; start += taken)
        {
            taken = Math.Min(Math.Min(fibres.Others.Locate(start, out long from, out long to, out _, out _), end - start), V.Count);
            if (taken == 1)
            {
                Along<Float32x1, float>(start, start + 1);
                continue;
            }
            T* x = source.Pointer<T>() + from, y = target.Pointer<T>() + to;
            V state = S.First<V>(), rest = V.Zero;
            for (int done = 0, length; done < n; done += length)
            {
                length = Math.Min(Piece, n - done);
                int first = reverse ? n - done - length : done, next = reverse ? first - Piece : first + Piece;
                Movement.Turn<Movement.Assign, V, T>(x + first, apartX, piece, V.Count, length, taken);
                for (int i = 0; i < taken && done + length < n; i++)
                    for (int j = 0; j < Piece; j += V.Count) Streaming.Prefetch(x + (long)i * apartX + next + j);    // too many lines of too many rows for the processor to see what comes next
                T* p = reverse ? piece + (length - 1) * V.Count : piece;
                V a = state, b = rest;
                for (int j = 0; j < length; j++, p += step) V.Store(p, S.Next(V.Load(p), ref a, ref b));
                (state, rest) = (a, b);
                if (isZero) Movement.Turn<Movement.Assign, V, T>(piece, V.Count, y + first, apartY, taken, length);
                else Movement.Turn<Movement.Accumulate, V, T>(piece, V.Count, y + first, apartY, taken, length);
            }
        }
    }
}
