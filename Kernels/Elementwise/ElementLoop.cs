using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>What is computed for every element of a result.</summary>
interface IElement
{
    /// <summary>How many of a, b and c are looked at.</summary>
    static abstract int Operands { get; }

    /// <summary>Whether d is looked at.</summary>
    static virtual bool HasD => false;

    /// <summary>Whether what the result holds is, to be added to.</summary>
    static virtual bool Adds => false;

    /// <summary>The element of the result, from those of up to four tensors and what the result holds.</summary>
    V Of<V>(V a, V b, V c, V d, V old) where V : struct, ISimd<V>;
}

/// <summary>One pass over all elements of a result.</summary>
/// <remarks>
/// One loop serves every layout: a row whose elements are neighbours is read where it lies; an element that is repeated along a row is put into all lanes of a vector, and that is read again
/// and again; elements that lie apart are gathered, some vectors at a time.
/// </remarks>
/// <param name="element">What is computed.</param>
/// <param name="result">Where to, in any layout.</param>
/// <param name="a">In any layout, repeated where it must be to fit the result, as are b and c.</param>
/// <param name="b">As a.</param>
/// <param name="c">As a.</param>
/// <param name="d">Contiguous, of the result's shape.</param>
/// <param name="isZero">Whether the result counts as zeros, whatever its memory holds.</param>
readonly unsafe struct ElementLoop<E>(E element, Tensor result, Tensor a, Tensor b = default, Tensor c = default, Tensor d = default, bool isZero = true) : ICpuKernel where E : struct, IElement
{
    readonly StridedLoop loop = new(result.Shape, result.Strides, Expand(a, result), Expand(b, result), Expand(c, result));

    static Shape Expand(Tensor tensor, Tensor result) => tensor.IsAlive ? StridedLoop.Expand(tensor, result.Shape) : default;

    /// <summary>Computes every element of <paramref name="result"/>.</summary>
    public static void Run(E element, Tensor result, Tensor a, Tensor b = default, Tensor c = default, Tensor d = default, bool isZero = true) =>
        Cpu.For(result.DType, result.Count, Cpu.Grain, new ElementLoop<E>(element, result, a, b, c, d, isZero));

    /// <summary>Vectors that are gathered at once.</summary>
    const int Piece = 8;

    [SkipLocalsInit]
    public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* lanes = stackalloc T[5 * Piece * V.Count];                   // what stands for a tensor that there is none of, and room for each whose elements lie apart
        Rows<V, T> allY = new(result, loop, 0, lanes), allA = new(a, loop, 1, lanes), allB = new(b, loop, 2, lanes), allC = new(c, loop, 3, lanes);
        T* allD = d.IsAlive ? d.Pointer<T>() : lanes;
        bool apart = allY.Apart || allA.Apart || allB.Apart || allC.Apart, repeats = (E.Operands > 0 && allA.Repeats) || (E.Operands > 1 && allB.Repeats) || (E.Operands > 2 && allC.Repeats);
        for (int rows, length; start < end; start += rows * length)
        {
            length = loop.LocateRows(start, end, out rows, out long oy, out long oa, out long ob, out long oc);
            Rows<V, T> ys = allY.From(oy), @as = allA.From(oa), bs = allB.From(ob), cs = allC.From(oc);
            if (apart)
                for (int i = 0, count; i < rows * length; i += count)
                {
                    int row = i / length, column = i - row * length;
                    count = Math.Min(Piece * V.Count, length - column);
                    Part<SomeRepeat, V, T>(element, 1, count, ys.Gather(row, column, count, !isZero), @as.Gather(row, column, count), bs.Gather(row, column, count), cs.Gather(row, column, count), allD + start + i, isZero, 0);
                    ys.Scatter(row, column, count);
                }
            else if (repeats) Part<SomeRepeat, V, T>(element, rows, length, ys, @as, bs, cs, allD + start, isZero, result.Count);
            else Part<NoneRepeats, V, T>(element, rows, length, ys, @as, bs, cs, allD + start, isZero, result.Count);
        }
        Streaming.End();
    }

    // Rows at equal distances, in a method of its own so that the inner loop finds all registers free. Its conditions are plain: every property more that is asked for takes from the JIT's budget
    // for inlining, which the formula needs.
    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Part<L, V, T>(E element, int rows, int length, in Rows<V, T> ys, in Rows<V, T> @as, in Rows<V, T> bs, in Rows<V, T> cs, T* d, bool isZero, int size)
        where L : struct, ILayout where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        T* y = ys.First, a = @as.First, b = bs.First, c = cs.First;
        int nextY = ys.RowStride, nextA = @as.RowStride, nextB = bs.RowStride, nextC = cs.RowStride;
        bool repeatsA = L.SomeRepeat && @as.Repeats, repeatsB = L.SomeRepeat && bs.Repeats, repeatsC = L.SomeRepeat && cs.Repeats, adds = E.Adds && !isZero;
        bool streams = !adds && (rows == 1 || nextY % V.Count == 0) && Streaming.Suits<V, T>(y, size);
        for (; rows > 0; rows--, y += nextY, a += nextA, b += nextB, c += nextC, d += length)
        {
            V oneA = default, oneB = default, oneC = default;
            if (E.Operands > 0 && repeatsA) oneA = V.Create(*a);
            if (E.Operands > 1 && repeatsB) oneB = V.Create(*b);
            if (E.Operands > 2 && repeatsC) oneC = V.Create(*c);
            int i = 0, last = length - V.Count;
            if (i <= last)
                do                                                      // the form of loop in front of which the JIT puts a formula's constants
                {
                    V va = oneA, vb = oneB, vc = oneC, vd = default, old = default;
                    if (E.Operands > 0 && !repeatsA) va = V.Load(a + i);
                    if (E.Operands > 1 && !repeatsB) vb = V.Load(b + i);
                    if (E.Operands > 2 && !repeatsC) vc = V.Load(c + i);
                    if (E.HasD) vd = V.Load(d + i);
                    if (adds) old = V.Load(y + i);
                    Streaming.Store(y + i, element.Of(va, vb, vc, vd, old), streams);
                    i += V.Count;
                }
                while (i <= last);
            int rest = length - i;
            if (rest > 0)
            {
                V va = oneA, vb = oneB, vc = oneC, vd = default, old = default;
                if (E.Operands > 0 && !repeatsA) va = V.LoadPartial(a + i, rest, T.Zero);
                if (E.Operands > 1 && !repeatsB) vb = V.LoadPartial(b + i, rest, T.Zero);
                if (E.Operands > 2 && !repeatsC) vc = V.LoadPartial(c + i, rest, T.Zero);
                if (E.HasD) vd = V.LoadPartial(d + i, rest, T.Zero);
                if (adds) old = V.LoadPartial(y + i, rest, T.Zero);
                V.StorePartial(y + i, element.Of(va, vb, vc, vd, old), rest);
            }
        }
    }

    interface ILayout
    {
        static abstract bool SomeRepeat { get; }
    }

    struct NoneRepeats : ILayout { public static bool SomeRepeat => false; }
    struct SomeRepeat : ILayout { static bool ILayout.SomeRepeat => true; }

    /// <summary>Rows of one tensor, at equal distances.</summary>
    /// <param name="first">Where the first begins.</param>
    /// <param name="stride">The stride along each.</param>
    /// <param name="rowStride">The stride from row to row.</param>
    /// <param name="lanes">Room for those whose elements lie apart.</param>
    readonly struct Rows<V, T>(T* first, int stride, int rowStride, T* lanes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        public readonly T* First = first, Lanes = lanes;
        public readonly int Stride = stride, RowStride = rowStride;

        /// <summary>Those of tensor number <paramref name="k"/> of a loop; <paramref name="lanes"/> where there is none.</summary>
        public Rows(Tensor tensor, in StridedLoop loop, int k, T* lanes)
            : this(tensor.IsAlive ? tensor.Pointer<T>() : lanes, loop.InnerStride(k), loop.RowStride(k), tensor.IsAlive ? lanes + (k + 1) * Piece * V.Count : lanes) { }

        /// <summary>Those that begin at <paramref name="offset"/>.</summary>
        public Rows<V, T> From(long offset) => new(First + offset, Stride, RowStride, Lanes);

        /// <summary>Whether elements of a row are neither neighbours nor one.</summary>
        public bool Apart => Stride is not (0 or 1);

        /// <summary>Whether a row is one element, again and again.</summary>
        public bool Repeats => Stride == 0;

        /// <summary>A row of <paramref name="count"/> elements from a column on, to be read side by side; undefined ones where they lie apart and are not <paramref name="wanted"/>.</summary>
        public Rows<V, T> Gather(int row, int column, int count, bool wanted = true)
        {
            T* from = First + (long)row * RowStride + (long)column * Stride, to = Lanes;
            if (!Apart) return new(from, Stride, 0, to);
            long stride = Stride;
            if (wanted)
                for (int i = 0; i < count; i++, from += stride) to[i] = *from;
            return new(to, 1, 0, to);
        }

        /// <summary>Puts back what <see cref="Gather"/> gave.</summary>
        public void Scatter(int row, int column, int count)
        {
            if (!Apart) return;
            T* to = First + (long)row * RowStride + (long)column * Stride, from = Lanes;
            long stride = Stride;
            for (int i = 0; i < count; i++, to += stride) *to = from[i];
        }
    }
}
