using System.Numerics;
using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory;

/// <summary>A relation of two numbers.</summary>
public interface IComparison
{
    /// <summary>The operation's name.</summary>
    static abstract string Name { get; }

    /// <summary>Whether it holds.</summary>
    static abstract bool Holds<T>(T a, T b) where T : INumber<T>;
}

/// <summary>y = 1 where a relation of a and b holds, else 0, the shapes broadcast to one another: Int32, without gradient.</summary>
public static unsafe class Comparison<R> where R : struct, IComparison
{
    /// <summary>Compares every pair of elements.</summary>
    /// <exception cref="ShapeException">The types differ, or the shapes do not broadcast.</exception>
    public static Tensor Apply(Tensor a, Tensor b)
    {
        if (a.DType != b.DType) throw new ShapeException(R.Name, $"{a.DType} {a.Shape} and {b.DType} {b.Shape}: both must have the same type.");
        Tensor y = Tensor.Empty(Shape.Broadcast(a.Shape, b.Shape, R.Name), DType.Int32);
        if (GpuBackend.Current is { } gpu)
        {
            GpuLoop loop = new(StridedLoop.Broadcast(y.Shape, a, b));
            if (a.DType == DType.Int32) gpu.LaunchEach(y.Count, new GpuKernel<int>(gpu.View<int>(a), gpu.View<int>(b), gpu.View<int>(y), loop));
            else gpu.LaunchEach(y.Count, new GpuKernel<float>(gpu.View(a), gpu.View(b), gpu.View<int>(y), loop));
            return y;
        }
        switch (a.DType)
        {
            case DType.Float32: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<float>(a, b, y)); break;
            case DType.Float64: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<double>(a, b, y)); break;
            default: ThreadTeam.For(y.Count, Cpu.Grain, new Kernel<int>(a, b, y)); break;
        }
        return y;
    }

    /// <summary>Compares every element with <paramref name="c"/>, rounded to the elements' type.</summary>
    /// <exception cref="ShapeException">The elements are integers and <paramref name="c"/> is not.</exception>
    public static Tensor Apply(Tensor a, double c)
    {
        if (a.DType == DType.Int32 && c != (int)c) throw new ShapeException(R.Name, $"{a.Shape} holds Int32, which {c} is not.");
        return Apply(a, Tensor.Full([], c, a.DType));
    }

    readonly struct Kernel<T>(Tensor a, Tensor b, Tensor y) : IParallelBody where T : unmanaged, INumber<T>
    {
        readonly StridedLoop loop = StridedLoop.Broadcast(y.Shape, a, b);

        public void Run(int start, int end)
        {
            int strideA = loop.InnerStride(0), strideB = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(loop.Locate(start, out long oa, out long ob, out _, out _), end - start);
                T* pa = a.Pointer<T>() + oa, pb = b.Pointer<T>() + ob;
                int* py = y.Pointer<int>() + start;
                for (int i = 0; i < length; i++) py[i] = R.Holds(pa[(long)i * strideA], pb[(long)i * strideB]) ? 1 : 0;
            }
        }
    }

    readonly struct GpuKernel<T>(ArrayView<T> a, ArrayView<T> b, ArrayView<int> y, GpuLoop loop) : IGpuKernel where T : unmanaged, INumber<T>
    {
        public void Run()
        {
            int i = Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= loop.Count) return;
            loop.Locate(i, out int oa, out int ob, out _, out _);
            y[i] = R.Holds(a[oa], b[ob]) ? 1 : 0;
        }
    }
}

/// <summary>a &lt; b.</summary>
public readonly struct Less : IComparison
{
    /// <inheritdoc/>
    public static string Name => "Less";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a < b;
}

/// <summary>a &lt;= b.</summary>
public readonly struct LessOrEqual : IComparison
{
    /// <inheritdoc/>
    public static string Name => "LessOrEqual";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a <= b;
}

/// <summary>a > b.</summary>
public readonly struct Greater : IComparison
{
    /// <inheritdoc/>
    public static string Name => "Greater";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a > b;
}

/// <summary>a >= b.</summary>
public readonly struct GreaterOrEqual : IComparison
{
    /// <inheritdoc/>
    public static string Name => "GreaterOrEqual";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a >= b;
}

/// <summary>a = b.</summary>
public readonly struct Equal : IComparison
{
    /// <inheritdoc/>
    public static string Name => "Equal";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a == b;
}

/// <summary>a differs from b.</summary>
public readonly struct NotEqual : IComparison
{
    /// <inheritdoc/>
    public static string Name => "NotEqual";

    /// <inheritdoc/>
    public static bool Holds<T>(T a, T b) where T : INumber<T> => a != b;
}

/// <summary>Adds comparisons to <see cref="Tensor"/>: Int32 results, 1 where they hold and 0 where not; a comparison with NaN holds for NotEqual alone.</summary>
public static class ComparisonOperation
{
    extension(Tensor)
    {
        /// <summary>Where a is less than b.</summary>
        public static Tensor operator <(Tensor a, Tensor b) => Comparison<Less>.Apply(a, b);

        /// <summary>Where a is more than b.</summary>
        public static Tensor operator >(Tensor a, Tensor b) => Comparison<Greater>.Apply(a, b);

        /// <summary>Where a is less than b or equal.</summary>
        public static Tensor operator <=(Tensor a, Tensor b) => Comparison<LessOrEqual>.Apply(a, b);

        /// <summary>Where a is more than b or equal.</summary>
        public static Tensor operator >=(Tensor a, Tensor b) => Comparison<GreaterOrEqual>.Apply(a, b);

        /// <summary>Where an element is less than <paramref name="c"/>.</summary>
        public static Tensor operator <(Tensor a, double c) => Comparison<Less>.Apply(a, c);

        /// <summary>Where an element is more than <paramref name="c"/>.</summary>
        public static Tensor operator >(Tensor a, double c) => Comparison<Greater>.Apply(a, c);

        /// <summary>Where an element is less than <paramref name="c"/> or equal.</summary>
        public static Tensor operator <=(Tensor a, double c) => Comparison<LessOrEqual>.Apply(a, c);

        /// <summary>Where an element is more than <paramref name="c"/> or equal.</summary>
        public static Tensor operator >=(Tensor a, double c) => Comparison<GreaterOrEqual>.Apply(a, c);
    }

    extension(Tensor a)
    {
        /// <summary>Where an element equals the other's.</summary>
        public Tensor Equal(Tensor b) => Comparison<Equal>.Apply(a, b);

        /// <summary>Where an element equals <paramref name="c"/>.</summary>
        public Tensor Equal(double c) => Comparison<Equal>.Apply(a, c);

        /// <summary>Where an element differs from the other's.</summary>
        public Tensor NotEqual(Tensor b) => Comparison<NotEqual>.Apply(a, b);

        /// <summary>Where an element differs from <paramref name="c"/>.</summary>
        public Tensor NotEqual(double c) => Comparison<NotEqual>.Apply(a, c);
    }
}
