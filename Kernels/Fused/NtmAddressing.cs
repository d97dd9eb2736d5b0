using System.Numerics;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// How a head of a Neural Turing Machine chooses where to look (Graves, Wayne and Danihelka 2014, section 3.3), one head, one step, one sequence. With the
/// head's key k, key strength b, gate g, shift weights s, sharpening y (gamma) and its weighting w' of the step before:
/// <code>
/// K[i]  = k . M[i] / max(|k| |M[i]|, e)            cosine similarity                       (6)
/// wc    = softmax(b K)                              by content                              (5)
/// wg    = g wc + (1 - g) w'                         interpolation                           (7)
/// ws[i] = sum over j of s[j] wg[i - (j - h)]        circular shift, h = (shifts - 1) / 2    (8)
/// w     = ws^y / sum ws^y = softmax(y log(ws + e))  sharpening                              (9)
/// </code>
/// </summary>
/// <remarks>
/// The memory lies transposed, [width, slots], so that a vector holds neighbouring slots; rows of slots are padded with zeros to whole vectors. Equation (9) as
/// a softmax cannot overflow, underflow to a sum of zero, or raise a negative number to a power.
/// </remarks>
static unsafe class NtmAddressing
{
    /// <summary>Keeps the cosine finite where the memory or the key is zero.</summary>
    public const double CosineEpsilon = 1e-8;

    /// <summary>Keeps the logarithm finite where a shifted weight is zero.</summary>
    public const double SharpenEpsilon = 1e-16;

    /// <summary>norms[i] = |M[i]| for every slot.</summary>
    public static void Norms<V, T>(T* memory, int padded, int width, T* norms) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int i = 0, n = V.Count;
        for (; i + 4 * n <= padded; i += 4 * n)                                          // four sums at a time: each product of one alone waits for the one before
        {
            V a = V.Zero, b = V.Zero, c = V.Zero, d = V.Zero;
            T* m = memory + i;
            for (int j = 0; j < width; j++, m += padded)
            {
                V x = V.Load(m), y = V.Load(m + n), z = V.Load(m + 2 * n), u = V.Load(m + 3 * n);
                (a, b, c, d) = (V.Fma(x, x, a), V.Fma(y, y, b), V.Fma(z, z, c), V.Fma(u, u, d));
            }
            V.Store(norms + i, V.Sqrt(a));
            V.Store(norms + i + n, V.Sqrt(b));
            V.Store(norms + i + 2 * n, V.Sqrt(c));
            V.Store(norms + i + 3 * n, V.Sqrt(d));
        }
        for (; i < padded; i += n)
        {
            V sum = V.Zero;
            T* m = memory + i;
            for (int j = 0; j < width; j++, m += padded)
            {
                V x = V.Load(m);
                sum = V.Fma(x, x, sum);
            }
            V.Store(norms + i, V.Sqrt(sum));
        }
    }

    /// <summary>The length of a key.</summary>
    static T Norm<V, T>(T* key, int width) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> => T.Sqrt(Dot<V, T>(key, key, width));

    /// <summary>Equations (5) to (9). <paramref name="wrap"/> has room for slots + shifts and one vector.</summary>
    public static void Forward<V, T>(
        in NtmSizes sizes, T* memory, T* norms, T* head, T* previous, T* similarity, T* content, T* shifted, T* weighting, T* wrap)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = sizes.Slots, padded = sizes.PaddedSlots, width = sizes.Width, shifts = sizes.Shifts, half = shifts / 2;
        T* key = head, shift = head + width + 2;
        V strength = V.Create(head[width]), gate = V.Create(head[width + 1]), sharpening = V.Create(head[width + 2 + shifts]);

        V keyNorm = V.Create(Norm<V, T>(key, width)), epsilon = V.Constant(CosineEpsilon);
        new Span<T>(similarity, padded).Clear();
        Recurrence.MultiplyAdd<V, T>(memory, padded, key, 0, width, similarity, 0, padded, 1);      // (6)
        for (int i = 0; i < padded; i += V.Count) V.Store(similarity + i, V.Load(similarity + i) / V.Max(keyNorm * V.Load(norms + i), epsilon));

        Softmax(similarity, strength, content, slots, padded);                           // (5)

        for (int i = 0; i < padded; i += V.Count)                                        // (7)
        {
            V old = V.Load(previous + i);
            V.Store(wrap + half + i, V.Fma(gate, V.Load(content + i) - old, old));
        }
        Wrap(wrap, slots, half);
        for (int i = 0; i < padded; i += V.Count)                                        // (8)
        {
            V sum = V.Zero;
            for (int j = 0; j < shifts; j++) sum = V.Fma(V.Create(shift[j]), V.Load(wrap + i + shifts - 1 - j), sum);
            V.Store(shifted + i, sum);
        }
        for (int i = slots; i < padded; i++) shifted[i] = T.Zero;

        for (int i = 0; i < padded; i += V.Count) V.Store(wrap + i, V.Log(V.Load(shifted + i) + V.Constant(SharpenEpsilon)));
        Softmax(wrap, sharpening, weighting, slots, padded);                             // (9)
    }

    /// <summary>
    /// From <paramref name="dw"/> = dL/dw: dL/dhead, to be written; dL/dM, to be added to; and dL/dw', which replaces <paramref name="dw"/>.
    /// </summary>
    public static void Backward<V, T>(
        in NtmSizes sizes, T* memory, T* norms, T* head, T* previous, T* similarity, T* content, T* shifted, T* weighting, T* wrap,
        T* dw, T* dHead, T* dMemory)
        where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        int slots = sizes.Slots, padded = sizes.PaddedSlots, width = sizes.Width, shifts = sizes.Shifts, half = shifts / 2;
        T* key = head, shift = head + width + 2;
        V strength = V.Create(head[width]), gate = V.Create(head[width + 1]), sharpening = V.Create(head[width + 2 + shifts]);

        // (9): with l = log(ws + e) and dx = w (dw - w . dw), dy = dx . l and dws = y dx / (ws + e)
        V mean = V.Create(Dot<V, T>(weighting, dw, padded)), dSharpening = V.Zero, epsilon = V.Constant(SharpenEpsilon);
        for (int i = 0; i < padded; i += V.Count)
        {
            V dx = V.Load(weighting + i) * (V.Load(dw + i) - mean), ws = V.Load(shifted + i) + epsilon;
            dSharpening = V.Fma(dx, V.Log(ws), dSharpening);
            V.Store(dw + i, sharpening * dx / ws);
        }
        dHead[width + 2 + shifts] = V.Sum(dSharpening);

        // (8): ds[j] = sum over i of dws[i] wg[i - (j - h)]
        for (int i = 0; i < padded; i += V.Count)
        {
            V old = V.Load(previous + i);
            V.Store(wrap + half + i, V.Fma(gate, V.Load(content + i) - old, old));
        }
        Wrap(wrap, slots, half);
        for (int j = 0; j < shifts; j++) dHead[width + 2 + j] = Dot<V, T>(dw, wrap + shifts - 1 - j, slots);

        //      dwg[i] = sum over j of s[j] dws[i + (j - h)]
        for (int i = 0; i < padded; i += V.Count) V.Store(wrap + half + i, V.Load(dw + i));
        Wrap(wrap, slots, half);
        for (int i = 0; i < padded; i += V.Count)
        {
            V sum = V.Zero;
            for (int j = 0; j < shifts; j++) sum = V.Fma(V.Create(shift[j]), V.Load(wrap + i + j), sum);
            V.Store(dw + i, sum);
        }
        for (int i = slots; i < padded; i++) dw[i] = T.Zero;

        // (7): dg = dwg . (wc - w'), dwc = g dwg, dw' = (1 - g) dwg
        // (5): with dx = wc (dwc - wc . dwc), db = dx . K and dK = b dx
        V dGate = V.Zero, dot = V.Zero, dStrength = V.Zero;
        for (int i = 0; i < padded; i += V.Count)
        {
            V d = V.Load(dw + i), wc = V.Load(content + i);
            dGate = V.Fma(d, wc - V.Load(previous + i), dGate);
            dot = V.Fma(d, wc, dot);
        }
        mean = V.Create(V.Sum(dot));
        dHead[width + 1] = V.Sum(dGate);

        // (6): with D = k . M and n = |k| |M|, K = D / n: dD = dK / n, d|k| = -dK K / |k|, d|M| = -dK K / |M|; where n < e, dD = dK / e alone
        T keyNorm = Norm<V, T>(key, width);
        V dKeyNorm = V.Zero, floor = V.Constant(CosineEpsilon);
        T* dDot = wrap, dNorm = wrap + padded;                                // dD and d|M| / |M|, for every slot
        for (int i = 0; i < padded; i += V.Count)
        {
            V d = V.Load(dw + i), k = V.Load(similarity + i), norm = V.Load(norms + i), n = V.Create(keyNorm) * norm;
            V dx = gate * V.Load(content + i) * (d - mean);
            dStrength = V.Fma(dx, k, dStrength);
            V dk = strength * dx, pull = V.IfLess(floor, n, -dk * k, V.Zero), inverse = V.One / V.Max(n, floor), inverseNorm = V.Create(keyNorm) * inverse;
            dKeyNorm += pull;
            V.Store(dDot + i, dk * inverse);
            V.Store(dNorm + i, pull * inverseNorm * inverseNorm);
            V.Store(dw + i, (V.One - gate) * d);
        }
        dHead[width] = V.Sum(dStrength);
        T keyPull = keyNorm > T.Zero ? V.Sum(dKeyNorm) / (keyNorm * keyNorm) : T.Zero;

        for (int j = 0; j < width; j++)
        {
            T* m = memory + (long)j * padded, dm = dMemory + (long)j * padded;
            V k = V.Create(key[j]), dKey = V.Zero;
            for (int i = 0; i < padded; i += V.Count)
            {
                V x = V.Load(m + i), dd = V.Load(dDot + i);
                dKey = V.Fma(dd, x, dKey);
                V.Store(dm + i, V.Fma(dd, k, V.Fma(V.Load(dNorm + i), x, V.Load(dm + i))));
            }
            dHead[j] = V.Sum(dKey) + keyPull * key[j];
        }
    }

    /// <summary>y = softmax(scale x) over the first <paramref name="slots"/>; the padding gets 0.</summary>
    public static void Softmax<V, T>(T* x, V scale, T* y, int slots, int padded) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        // No call and no local function: either would keep the sum and the maximum in memory. Of a NaN the maximum need not know: e^NaN joins the sum.
        int whole = slots / V.Count * V.Count, rest = slots - whole;
        V max = V.Create(T.NegativeInfinity), sum = V.Zero, tail = max;
        for (int i = 0; i < whole; i += V.Count) max = V.Larger(max, V.Load(x + i) * scale);
        if (rest > 0)
        {
            T* beyond = stackalloc T[V.Count];                                // lanes beyond the last slot count for nothing
            for (int i = 0; i < V.Count; i++) beyond[i] = i < rest ? T.Zero : T.One;
            tail = V.IfLess(V.Zero, V.Load(beyond), tail, V.LoadPartial(x + whole, rest, T.Zero) * scale);
            max = V.Larger(max, tail);
        }
        max = V.Create(V.MaxLane(max));
        for (int i = 0; i < whole; i += V.Count)
        {
            V e = V.Exp(V.Load(x + i) * scale - max);
            sum += e;
            V.Store(y + i, e);
        }
        if (rest > 0)
        {
            V e = V.Exp(tail - max);
            sum += e;
            V.Store(y + whole, e);
        }
        V factor = V.One / V.Create(V.Sum(sum));
        for (int i = 0; i < slots; i += V.Count) V.Store(y + i, V.Load(y + i) * factor);
        for (int i = slots; i < padded; i++) (x[i], y[i]) = (T.Zero, T.Zero);
    }

    /// <summary>wrap[half..half + slots) holds a ring; the <paramref name="half"/> elements on each side become its other end.</summary>
    static void Wrap<T>(T* wrap, int slots, int half) where T : unmanaged
    {
        for (int j = 0; j < half; j++)
        {
            wrap[j] = wrap[slots + j];
            wrap[half + slots + j] = wrap[half + j];
        }
    }

    /// <summary>a . b.</summary>
    public static T Dot<V, T>(T* a, T* b, int count) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        V sum = V.Zero;
        for (int i = 0; i < count; i += V.Count) sum = V.Fma(Lanes.Load<V, T>(a + i, 1, count - i), Lanes.Load<V, T>(b + i, 1, count - i), sum);
        return V.Sum(sum);
    }
}
