using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What the fused recurrences share: small products whose matrix stays in the cache, and packing for them.</summary>
static unsafe class Recurrence
{
    /// <summary>Rows are padded to this many elements, a whole number of vectors of every width, so that inner loops have no tail.</summary>
    public const int Lanes = 16;

    /// <summary>Sequences that one thread walks through together: they share every load of the weights. Part of the result's definition, not of the machine.</summary>
    public const int Group = 4;

    /// <summary>The groups that a batch is cut into.</summary>
    public static int Groups(int batch) => (batch + Group - 1) / Group;

    /// <summary><paramref name="size"/> rounded up to a whole number of vectors.</summary>
    public static int Pad(int size) => (size + Lanes - 1) / Lanes * Lanes;

    /// <summary>The address of element [i, j, 0, ...]: of a tensor [time, batch, ...] what belongs to step i of sequence j, of [batch, time, ...] to step j of sequence i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T* At<T>(Tensor tensor, int i, int j) where T : unmanaged => tensor.Pointer<T>() + (long)i * tensor.Strides[0] + (long)j * tensor.Strides[1];

    /// <summary>Copies <paramref name="count"/> values.</summary>
    public static void Copy<T>(T* from, T* to, int count) where T : unmanaged => new ReadOnlySpan<T>(from, count).CopyTo(new Span<T>(to, count));

    /// <summary>Copies rows of <paramref name="size"/> values to rows of <paramref name="padded"/>; the padding is zero.</summary>
    public static void CopyPadded<T>(T* from, int size, T* to, int padded, int rows) where T : unmanaged
    {
        for (int i = 0; i < rows; i++, from += size, to += padded)
        {
            Copy(from, to, size);
            new Span<T>(to + size, padded - size).Clear();
        }
    }

    /// <summary>
    /// z[g] += v[g] W for each sequence g of a group: z [outer], v [inner], W [inner, outer] with rows <paramref name="stride"/> apart. <paramref name="outer"/> is a
    /// whole number of vectors.
    /// </summary>
    public static void MultiplyAdd<V, T>(T* w, int stride, T* v, int vStride, int inner, T* z, int zStride, int outer, int group)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int g = 0;
        for (; g + 4 <= group; g += 4) Four<V, T>(w, stride, v + (long)g * vStride, vStride, inner, z + (long)g * zStride, zStride, outer);
        for (; g < group; g++) One<V, T>(w, stride, v + (long)g * vStride, inner, z + (long)g * zStride, outer);
    }

    /// <summary>Four sequences by four vectors: 16 sums in registers, eight loads for sixteen products.</summary>
    static void Four<V, T>(T* w, int stride, T* v, int vStride, int inner, T* z, int zStride, int outer)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int n = V.Count, o = 0;
        T* v0 = v, v1 = v + vStride, v2 = v1 + vStride, v3 = v2 + vStride;
        T* z0 = z, z1 = z + zStride, z2 = z1 + zStride, z3 = z2 + zStride;
        for (; o + 4 * n <= outer; o += 4 * n)
        {
            V a0 = V.Load(z0 + o), a1 = V.Load(z0 + o + n), a2 = V.Load(z0 + o + 2 * n), a3 = V.Load(z0 + o + 3 * n);
            V b0 = V.Load(z1 + o), b1 = V.Load(z1 + o + n), b2 = V.Load(z1 + o + 2 * n), b3 = V.Load(z1 + o + 3 * n);
            V c0 = V.Load(z2 + o), c1 = V.Load(z2 + o + n), c2 = V.Load(z2 + o + 2 * n), c3 = V.Load(z2 + o + 3 * n);
            V d0 = V.Load(z3 + o), d1 = V.Load(z3 + o + n), d2 = V.Load(z3 + o + 2 * n), d3 = V.Load(z3 + o + 3 * n);
            T* row = w + o;
            for (int j = 0; j < inner; j++, row += stride)
            {
                V w0 = V.Load(row), w1 = V.Load(row + n), w2 = V.Load(row + 2 * n), w3 = V.Load(row + 3 * n);
                V x = V.Create(v0[j]);
                (a0, a1, a2, a3) = (V.Fma(x, w0, a0), V.Fma(x, w1, a1), V.Fma(x, w2, a2), V.Fma(x, w3, a3));
                x = V.Create(v1[j]);
                (b0, b1, b2, b3) = (V.Fma(x, w0, b0), V.Fma(x, w1, b1), V.Fma(x, w2, b2), V.Fma(x, w3, b3));
                x = V.Create(v2[j]);
                (c0, c1, c2, c3) = (V.Fma(x, w0, c0), V.Fma(x, w1, c1), V.Fma(x, w2, c2), V.Fma(x, w3, c3));
                x = V.Create(v3[j]);
                (d0, d1, d2, d3) = (V.Fma(x, w0, d0), V.Fma(x, w1, d1), V.Fma(x, w2, d2), V.Fma(x, w3, d3));
            }
            V.Store(z0 + o, a0); V.Store(z0 + o + n, a1); V.Store(z0 + o + 2 * n, a2); V.Store(z0 + o + 3 * n, a3);
            V.Store(z1 + o, b0); V.Store(z1 + o + n, b1); V.Store(z1 + o + 2 * n, b2); V.Store(z1 + o + 3 * n, b3);
            V.Store(z2 + o, c0); V.Store(z2 + o + n, c1); V.Store(z2 + o + 2 * n, c2); V.Store(z2 + o + 3 * n, c3);
            V.Store(z3 + o, d0); V.Store(z3 + o + n, d1); V.Store(z3 + o + 2 * n, d2); V.Store(z3 + o + 3 * n, d3);
        }
        for (; o < outer; o += n)
        {
            V a = V.Load(z0 + o), b = V.Load(z1 + o), c = V.Load(z2 + o), d = V.Load(z3 + o);
            T* row = w + o;
            for (int j = 0; j < inner; j++, row += stride)
            {
                V x = V.Load(row);
                (a, b, c, d) = (V.Fma(V.Create(v0[j]), x, a), V.Fma(V.Create(v1[j]), x, b), V.Fma(V.Create(v2[j]), x, c), V.Fma(V.Create(v3[j]), x, d));
            }
            V.Store(z0 + o, a);
            V.Store(z1 + o, b);
            V.Store(z2 + o, c);
            V.Store(z3 + o, d);
        }
    }

    /// <summary>One sequence by four vectors, even and odd rows apart: enough independent sums to hide the latency of a product. Of vectors left over four rows at a time, for the same reason.</summary>
    static void One<V, T>(T* w, int stride, T* v, int inner, T* z, int outer)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int n = V.Count, o = 0;
        for (; o + 4 * n <= outer; o += 4 * n)
        {
            V a0 = V.Load(z + o), a1 = V.Load(z + o + n), a2 = V.Load(z + o + 2 * n), a3 = V.Load(z + o + 3 * n);
            V b0 = V.Zero, b1 = V.Zero, b2 = V.Zero, b3 = V.Zero;
            T* row = w + o;
            int j = 0;
            for (; j + 2 <= inner; j += 2, row += stride)
            {
                V x = V.Create(v[j]), y = V.Create(v[j + 1]);
                a0 = V.Fma(x, V.Load(row), a0);
                a1 = V.Fma(x, V.Load(row + n), a1);
                a2 = V.Fma(x, V.Load(row + 2 * n), a2);
                a3 = V.Fma(x, V.Load(row + 3 * n), a3);
                row += stride;
                b0 = V.Fma(y, V.Load(row), b0);
                b1 = V.Fma(y, V.Load(row + n), b1);
                b2 = V.Fma(y, V.Load(row + 2 * n), b2);
                b3 = V.Fma(y, V.Load(row + 3 * n), b3);
            }
            if (j < inner)
            {
                V x = V.Create(v[j]);
                (a0, a1, a2, a3) = (V.Fma(x, V.Load(row), a0), V.Fma(x, V.Load(row + n), a1), V.Fma(x, V.Load(row + 2 * n), a2), V.Fma(x, V.Load(row + 3 * n), a3));
            }
            V.Store(z + o, a0 + b0); V.Store(z + o + n, a1 + b1); V.Store(z + o + 2 * n, a2 + b2); V.Store(z + o + 3 * n, a3 + b3);
        }
        for (; o < outer; o += n)
        {
            V a = V.Load(z + o), b = V.Zero, c = V.Zero, d = V.Zero;
            T* row = w + o;
            int j = 0;
            for (; j + 4 <= inner; j += 4, row += 4 * stride)
            {
                a = V.Fma(V.Create(v[j]), V.Load(row), a);
                b = V.Fma(V.Create(v[j + 1]), V.Load(row + stride), b);
                c = V.Fma(V.Create(v[j + 2]), V.Load(row + 2 * stride), c);
                d = V.Fma(V.Create(v[j + 3]), V.Load(row + 3 * stride), d);
            }
            for (; j < inner; j++, row += stride) a = V.Fma(V.Create(v[j]), V.Load(row), a);
            V.Store(z + o, a + b + (c + d));
        }
    }

    /// <summary>
    /// z[g, i] += sum over j of W[i, j] v[g, j] for each row v[g] of a group, the product with the transposed matrix: four rows of W [rows, inner] at a time, as each sum alone waits for
    /// the one before. <paramref name="inner"/> is a whole number of vectors.
    /// </summary>
    public static void MultiplyAddTransposed<V, T>(T* w, int stride, int rows, T* v, int vStride, int inner, T* z, int zStride, int group)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int i = 0;
        for (; i + 4 <= rows; i += 4, w += 4 * (long)stride)
            for (int g = 0; g < group; g++)
            {
                T* x = v + (long)g * vStride, to = z + (long)g * zStride + i, w0 = w, w1 = w + stride, w2 = w1 + stride, w3 = w2 + stride;
                V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
                for (int j = 0; j < inner; j += V.Count)
                {
                    V y = V.Load(x + j);
                    (a, b, c, d) = (V.Fma(V.Load(w0 + j), y, a), V.Fma(V.Load(w1 + j), y, b), V.Fma(V.Load(w2 + j), y, c), V.Fma(V.Load(w3 + j), y, d));
                }
                to[0] += V.Sum(a);
                to[1] += V.Sum(b);
                to[2] += V.Sum(c);
                to[3] += V.Sum(d);
            }
        for (; i < rows; i++, w += stride)
            for (int g = 0; g < group; g++)
            {
                T* x = v + (long)g * vStride;
                V a = V.Zero;
                for (int j = 0; j < inner; j += V.Count) a = V.Fma(V.Load(w + j), V.Load(x + j), a);
                z[(long)g * zStride + i] += V.Sum(a);
            }
    }

    /// <summary>
    /// Z[i, j] += sum over k of a[k, i] b[k, j], for as many k as <paramref name="count"/>: Z [rows, columns] is read and written once for all of them. <paramref name="columns"/> is a whole
    /// number of vectors.
    /// </summary>
    public static void AddOuter<V, T>(T* a, int aStride, T* b, int bStride, int count, T* z, int zStride, int rows, int columns)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int i = 0, n = V.Count;
        for (; i + 4 <= rows; i += 4, a += 4, z += 4 * (long)zStride)
        {
            int j = 0;
            for (; j + 2 * n <= columns; j += 2 * n)
            {
                T* z0 = z + j, z1 = z0 + zStride, z2 = z1 + zStride, z3 = z2 + zStride, x = a, y = b + j;
                V a0 = V.Load(z0), a1 = V.Load(z1), a2 = V.Load(z2), a3 = V.Load(z3), b0 = V.Load(z0 + n), b1 = V.Load(z1 + n), b2 = V.Load(z2 + n), b3 = V.Load(z3 + n);
                for (int k = 0; k < count; k++, x += aStride, y += bStride)
                {
                    V left = V.Load(y), right = V.Load(y + n), x0 = V.Create(x[0]), x1 = V.Create(x[1]);
                    (a0, a1, b0, b1) = (V.Fma(x0, left, a0), V.Fma(x1, left, a1), V.Fma(x0, right, b0), V.Fma(x1, right, b1));
                    (x0, x1) = (V.Create(x[2]), V.Create(x[3]));
                    (a2, a3, b2, b3) = (V.Fma(x0, left, a2), V.Fma(x1, left, a3), V.Fma(x0, right, b2), V.Fma(x1, right, b3));
                }
                V.Store(z0, a0); V.Store(z1, a1); V.Store(z2, a2); V.Store(z3, a3);
                V.Store(z0 + n, b0); V.Store(z1 + n, b1); V.Store(z2 + n, b2); V.Store(z3 + n, b3);
            }
            for (; j < columns; j += n)
            {
                T* z0 = z + j, z1 = z0 + zStride, z2 = z1 + zStride, z3 = z2 + zStride, x = a, y = b + j;
                V a0 = V.Load(z0), a1 = V.Load(z1), a2 = V.Load(z2), a3 = V.Load(z3);
                for (int k = 0; k < count; k++, x += aStride, y += bStride)
                {
                    V c = V.Load(y);
                    (a0, a1, a2, a3) = (V.Fma(V.Create(x[0]), c, a0), V.Fma(V.Create(x[1]), c, a1), V.Fma(V.Create(x[2]), c, a2), V.Fma(V.Create(x[3]), c, a3));
                }
                V.Store(z0, a0); V.Store(z1, a1); V.Store(z2, a2); V.Store(z3, a3);
            }
        }
        for (; i < rows; i++, a++, z += zStride)
            for (int j = 0; j < columns; j += n)
            {
                T* x = a, y = b + j;
                V sum = V.Load(z + j);
                for (int k = 0; k < count; k++, x += aStride, y += bStride) sum = V.Fma(V.Create(x[0]), V.Load(y), sum);
                V.Store(z + j, sum);
            }
    }

    /// <summary>to[i] += from[i].</summary>
    public static void Add<V, T>(T* from, T* to, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (int i = 0; i < count; i += V.Count)
            NeuralMemory.Lanes.Store(to + i, 1, NeuralMemory.Lanes.Load<V, T>(to + i, 1, count - i) + NeuralMemory.Lanes.Load<V, T>(from + i, 1, count - i), count - i);
    }

    /// <summary>f(x) of a single number, by the very function that vectors use.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Lane<V, T>(V value) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => V.MaxLane(value);
}
