using System.Numerics;
using System.Runtime.Intrinsics;
using ILGPU;
using NeuralMemory.Gpu;
using NeuralMemory.Simd;

namespace NeuralMemory;

/// <summary>
/// y = x m, dy/dx = m with m = 0 with probability p and 1 / (1 - p) otherwise, so that y is x on average (Srivastava et al. 2014). Whether element i is
/// kept depends on number first + i of a random sequence and on nothing else: any number of threads and any device drop the same ones, and the backward
/// pass draws them again where others would keep a mask.
/// </summary>
sealed unsafe class Drop : Operation<Drop>
{
    Mask mask;

    public override string Name => "Dropout";

    public static Tensor Apply(Tensor x, Mask mask)
    {
        Tensor y = Tensor.Empty(x.Shape, x.DType);
        Run(mask, x, y, accumulate: false);
        Record(y, x)?.mask = mask;
        return y;
    }

    /// <summary>dL/dx += m dL/dy.</summary>
    protected override void Backward()
    {
        Tensor dx = InputGradient(0, out bool isZero);
        Run(mask, OutputGradient(), dx, accumulate: !isZero);
    }

    /// <summary>to = m from, or to += m from.</summary>
    static void Run(Mask mask, Tensor from, Tensor to, bool accumulate)
    {
        if (GpuBackend.Current is { } gpu)
        {
            GpuLoop loop = new(new StridedLoop(from.Shape, from.Strides, to.Strides), from, to);
            gpu.LaunchEach((int)(((long)loop.Count + 3) / 4), new GpuMultiplyAdd(mask, gpu.View(from), gpu.View(to), loop, accumulate ? 1 : 0));
        }
        else Cpu.For(from.DType, from.Count, Cpu.Grain, new MultiplyAdd(mask, from, to, accumulate));
    }

    /// <summary>The most elements whose factors are made at once: they stay in the cache until they are used.</summary>
    const int Piece = 256;

    /// <summary>The factors m of all elements.</summary>
    public readonly struct Mask(double probability, ulong seed, ulong stream, ulong first)
    {
        readonly uint limit = (uint)(probability * 4294967296.0);
        readonly double kept = 1 / (1 - probability);

        /// <summary>Writes the factors of at most <see cref="Piece"/> elements from number <paramref name="start"/> on.</summary>
        public void Fill<T>(int start, Span<T> factors) where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            ulong n = first + (ulong)start;
            int before = (int)(n % 4), i = 0;
            T kept = T.CreateTruncating(this.kept);
            Span<uint> bits = stackalloc uint[Piece + 3];
            bits = bits[..(before + factors.Length)];
            Philox.Fill(seed, stream, n / 4, bits);
            bits = bits[before..];
            if (typeof(T) == typeof(float) && Vector256.IsHardwareAccelerated)
                for (; i <= factors.Length - Vector256<uint>.Count; i += Vector256<uint>.Count)
                {
                    Vector256<uint> dropped = Vector256.LessThan(Vector256.Create<uint>(bits[i..]), Vector256.Create(limit));
                    Vector256.AndNot(Vector256.Create(kept), dropped.As<uint, T>()).CopyTo(factors[i..]);
                }
            for (; i < factors.Length; i++) factors[i] = bits[i] < limit ? T.Zero : kept;
        }

        /// <summary>The factors of four elements on a GPU, the first of which has a number that is a multiple of four, as has the sequence's: they are one block's.</summary>
        public Float4 Four(int start)
        {
            (uint x, uint y, uint z, uint w) = Philox.Block(seed, stream, first / 4 + (uint)start / 4);
            float factor = (float)kept;
            return new(x < limit ? 0 : factor, y < limit ? 0 : factor, z < limit ? 0 : factor, w < limit ? 0 : factor);
        }
    }

    readonly struct MultiplyAdd(Mask mask, Tensor from, Tensor to, bool Accumulate) : ICpuKernel
    {
        readonly StridedLoop loop = new(from.Shape, from.Strides, to.Strides);

        public void Run<V, T>(int start, int end) where V : struct, ISimd<V, T> where T : unmanaged, IBinaryFloatingPointIeee754<T>
        {
            T* factors = stackalloc T[Piece];
            int strideFrom = loop.InnerStride(0), strideTo = loop.InnerStride(1);
            for (int length; start < end; start += length)
            {
                length = Math.Min(Math.Min(loop.Locate(start, out long of, out long ot, out _, out _), end - start), Piece);
                mask.Fill(start, new Span<T>(factors, length));
                T* pf = from.Pointer<T>() + of, pt = to.Pointer<T>() + ot;
                for (int i = 0; i < length; i += V.Count)
                {
                    int count = length - i;
                    V m = Lanes.Load<V, T>(factors + i, 1, count), value = Lanes.Load<V, T>(pf + (long)i * strideFrom, strideFrom, count);
                    V old = Accumulate ? Lanes.Load<V, T>(pt + (long)i * strideTo, strideTo, count) : V.Zero;
                    Lanes.Store(pt + (long)i * strideTo, strideTo, V.Fma(m, value, old), count);
                }
            }
        }
    }

    /// <summary>Four elements a thread.</summary>
    readonly struct GpuMultiplyAdd(Mask mask, ArrayView<float> from, ArrayView<float> to, GpuLoop loop, int accumulate) : IGpuKernel
    {
        public void Run()
        {
            int first = 4 * (Grid.IdxX * Group.DimX + Group.IdxX), end = Math.Min(first + 4, loop.Count);
            if (first >= end) return;
            Float4 m = mask.Four(first);
            if (loop.Width == 4 && end - first == 4)
            {
                loop.Locate(first, out int of, out int ot, out _, out _);
                Float4 old = accumulate != 0 ? Float4.Load(to, ot) : new(0, 0, 0, 0);
                Float4.Fma(m, Float4.Load(from, of, loop.Step0), old).Store(to, ot);
                return;
            }
            for (int i = first; i < end; i++)
            {
                loop.Locate(i, out int of, out int ot, out _, out _);
                float factor = (i & 3) switch { 0 => m.X, 1 => m.Y, 2 => m.Z, _ => m.W };
                to[ot] = GpuMath.Fma(factor, from[of], accumulate != 0 ? to[ot] : 0);
            }
        }
    }
}

/// <summary>Adds dropout to <see cref="Tensor"/>.</summary>
public static class DropoutOperation
{
    extension(Tensor x)
    {
        /// <summary>
        /// Every element replaced by 0 with the given <paramref name="probability"/>, and divided by 1 - probability otherwise (Srivastava et al. 2014).
        /// </summary>
        /// <param name="probability">From 0 to less than 1.</param>
        /// <param name="random">Decides; as many of its numbers as there are elements are used up, rounded up to a multiple of four.</param>
        /// <param name="training">If false, nothing is dropped: the result is the tensor itself.</param>
        /// <exception cref="ArgumentOutOfRangeException"><paramref name="probability"/> is not from 0 to less than 1.</exception>
        public Tensor Dropout(double probability, Philox random, bool training = true)
        {
            if (!(probability is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(probability), probability, "Dropout: a probability from 0 to less than 1 was expected.");
            Require.Float("Dropout", x);
            if (!training || probability == 0) return x;
            ulong first = (random.Position + 3) / 4 * 4;
            random.Position = first + ((ulong)x.Count + 3) / 4 * 4;
            return Drop.Apply(x, new(probability, random.Seed, random.Stream, first));
        }
    }
}
