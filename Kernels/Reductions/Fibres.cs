using System.Numerics;
using System.Runtime.CompilerServices;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// The fibres of up to four tensors: the lines of elements along one dimension. Where a fibre's elements are neighbours in memory, the lanes of a vector hold
/// successive elements of one fibre; where they lie apart and the fibres are neighbours instead, the lanes hold one element each of several fibres,
/// and nothing needs to be copied. A kernel is written once for both.
/// </summary>
readonly unsafe struct Fibres
{
    readonly StridedLoop others;
    readonly Shape along;

    /// <summary>Whether lanes are fibres, and not elements of one.</summary>
    public readonly bool Across;

    /// <summary>Whether the elements of every fibre of every tensor are neighbours in memory, so that each is a <see cref="Row{V, T}"/>.</summary>
    public readonly bool AreRows;

    /// <summary>The number of fibres, and of elements in each.</summary>
    public readonly int Count, Length;

    /// <summary>The fibres along <paramref name="dimension"/> of tensors with the given strides, of which the first decides what lanes are.</summary>
    public Fibres(Shape shape, int dimension, Shape strides0, Shape strides1 = default, Shape strides2 = default, Shape strides3 = default)
    {
        others = new(shape.Without(dimension), Without(strides0, dimension), Without(strides1, dimension), Without(strides2, dimension), Without(strides3, dimension));
        along = [strides0[dimension], At(strides1, dimension), At(strides2, dimension), At(strides3, dimension)];
        (Count, Length) = (others.Count, shape[dimension]);
        Across = (along[0] != 1 || Length == 1) && others.Inner > 1 && others.InnerStride(0) == 1;
        AreRows = !Across && along[0] == 1 && along[1] is 0 or 1 && along[2] is 0 or 1 && along[3] is 0 or 1;
    }

    static Shape Without(Shape strides, int dimension) => strides.Rank == 0 ? strides : strides.Without(dimension);

    static int At(Shape strides, int dimension) => strides.Rank == 0 ? 0 : strides[dimension];

    /// <summary>The strides of a tensor that has one element for each fibre, and lacks the dimension.</summary>
    public static Shape OneEach(Tensor tensor, int dimension) => tensor.Strides.Insert(dimension, 0);

    /// <summary>The way from fibre to fibre.</summary>
    public StridedLoop Others => others;

    /// <summary>The stride of tensor <paramref name="k"/> along a fibre.</summary>
    public int Along(int k) => along[k];

    /// <summary>The stride of tensor <paramref name="k"/> from lane to lane.</summary>
    public int Lane(int k) => Across ? others.InnerStride(k) : along[k];

    /// <summary>Where fibre number <paramref name="index"/> lies.</summary>
    public void Locate(int index, out long o0, out long o1, out long o2) => others.Locate(index, out o0, out o1, out o2, out _);

    /// <summary>How many fibres make a grain of work.</summary>
    public int Grain(int cost = 1) => Math.Max(Across ? 64 : 1, Cpu.Rows(Length, cost));

    /// <summary>Where the fibres from number <paramref name="start"/> on lie, and how many of them are taken at once.</summary>
    public int Take<V>(int start, int end, out long o0, out long o1, out long o2, out long o3) where V : struct, ISimd<V>
    {
        int neighbours = others.Locate(start, out o0, out o1, out o2, out o3);
        return Across ? Math.Min(Math.Min(neighbours, end - start), V.Count) : 1;
    }

    /// <summary>The fibre or fibres of tensor <paramref name="k"/> that begin at <paramref name="first"/>, <paramref name="taken"/> of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Fibre<V, T> At<V, T>(int k, T* first, int taken) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        new(first, along[k], Lane(k), Length, Across ? taken : 0);

    /// <summary>How many elements of a fibre a vector holds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Step<V>() where V : struct, ISimd<V> => Across ? 1 : V.Count;

    /// <summary>The sum of a fibre in every lane, from the sums of its lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Sum<V, T>(V lanes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Across ? lanes : V.Create(V.Sum(lanes));

    /// <summary>The largest element of a fibre in every lane, from the largest of its lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Max<V, T>(V lanes) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
        Across ? lanes : V.Create(V.MaxLane(lanes));
}

/// <summary>
/// What a kernel sees of fibres, in vectors. A kernel that is generic over it is compiled twice: once for any strides, and once for <see cref="Row{V, T}"/>, whose loops have neither
/// calls, around which sums would be kept in memory, nor arithmetic on strides.
/// </summary>
unsafe interface IFibre<F, V, T> where F : struct, IFibre<F, V, T> where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>The fibre or fibres of tensor <paramref name="k"/> that begin at <paramref name="first"/>, <paramref name="taken"/> of them; where it <paramref name="streams"/>, whole vectors of rows are written past the cache.</summary>
    static abstract F At(in Fibres fibres, int k, T* first, int taken, bool streams = false);

    /// <summary>One fibre of <paramref name="length"/> elements, <paramref name="stride"/> apart; 1 where it is a row.</summary>
    static abstract F Along(T* first, int stride, int length, bool streams = false);

    /// <summary>How many elements of a fibre a vector holds.</summary>
    static abstract int Step(in Fibres fibres);

    /// <summary>The vector of elements from <paramref name="j"/> on, or of the j-th of every fibre. Lanes beyond are <paramref name="fill"/>.</summary>
    V Load(int j, T fill);

    /// <summary>As <see cref="Load(int, T)"/> with zeros beyond.</summary>
    V Load(int j);

    /// <summary>Writes what <see cref="Load(int)"/> reads.</summary>
    void Store(int j, V value);

    /// <summary>
    /// Asks for element <paramref name="j"/> of the row behind this one: to be called in the last pass over a row. The processor's own prefetching begins anew with every page, and the next
    /// row's first pass can do nothing but wait for it.
    /// </summary>
    void Prefetch(int j);
}

/// <summary>One fibre whose elements are neighbours in memory.</summary>
/// <param name="first">The first element.</param>
/// <param name="length">The number of elements.</param>
/// <param name="streams">Whether whole vectors are written past the cache.</param>
readonly unsafe struct Row<V, T>(T* first, int length, bool streams = false) : IFibre<Row<V, T>, V, T>
    where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly T* first = first;
    readonly int length = length;
    readonly bool streams = streams;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Row<V, T> At(in Fibres fibres, int k, T* first, int taken, bool streams) => new(first, fibres.Length, streams);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Row<V, T> Along(T* first, int stride, int length, bool streams) => new(first, length, streams);

    public static int Step(in Fibres fibres) => V.Count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Load(int j, T fill) => length - j >= V.Count ? V.Load(first + j) : V.LoadPartial(first + j, length - j, fill);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Load(int j) => Load(j, T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(int j, V value)
    {
        if (length - j < V.Count) V.StorePartial(first + j, value, length - j);
        else if (streams) V.StoreStreaming(first + j, value);
        else V.Store(first + j, value);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Prefetch(int j) => Streaming.Prefetch(first + length + j);
}

/// <summary>One fibre, read along it, or as many as there are lanes, read across.</summary>
/// <param name="first">The first element.</param>
/// <param name="along">The stride along the fibre.</param>
/// <param name="lane">The stride from lane to lane.</param>
/// <param name="length">The elements of a fibre.</param>
/// <param name="taken">The number of fibres side by side; 0 where lanes are elements of one.</param>
readonly unsafe struct Fibre<V, T>(T* first, int along, int lane, int length, int taken) : IFibre<Fibre<V, T>, V, T>
    where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    readonly T* first = first;
    readonly int along = along, lane = lane, length = length, taken = taken;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Fibre<V, T> At(in Fibres fibres, int k, T* first, int taken, bool streams) => fibres.At<V, T>(k, first, taken);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Fibre<V, T> Along(T* first, int stride, int length, bool streams) => new(first, stride, stride, length, taken: 0);

    public static int Step(in Fibres fibres) => fibres.Step<V>();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Load(int j, T fill)
    {
        T* from = first + (long)j * along;
        if (V.Count == 1) return j < length ? V.Load(from) : V.Create(fill);           // no call in a loop of single elements
        int count = Count(j);
        return lane == 1 ? count >= V.Count ? V.Load(from) : V.LoadPartial(from, count, fill) : Gather(from, count, fill);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Load(int j) => Load(j, T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(int j, V value) => Lanes.Store(first + (long)j * along, lane, value, Count(j));

    public void Prefetch(int j) { }

    /// <summary>Writes the one element that a tensor has for each fibre: where lanes are elements of one fibre, all are the same.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void StoreOne(V value) => Lanes.Store(first, lane, value, taken == 0 ? 1 : taken);

    /// <summary>The one element that a tensor has for each fibre, in every lane of it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V LoadOne() => taken == 0 ? V.Create(*first) : Load(0);

    int Count(int j) => taken == 0 ? length - j : taken;

    [MethodImpl(MethodImplOptions.NoInlining)]
    V Gather(T* from, int count, T fill)
    {
        T* lanes = stackalloc T[V.Count];
        count = Math.Min(count, V.Count);
        for (int i = 0; i < count; i++) lanes[i] = from[(long)i * lane];
        return V.LoadPartial(lanes, count, fill);
    }
}
