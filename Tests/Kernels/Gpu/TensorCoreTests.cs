using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>A warp's product of small matrices is that of the rounded operands, each part in its lane; asynchronous copies arrive.</summary>
[NonParallelizable]
public class TensorCoreTests
{
    readonly struct Tf32Product(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c) : IGpuKernel
    {
        public void Run()
        {
            int g = Warp.LaneIdx / 4, t = Warp.LaneIdx % 4;
            Float4 sum = new(c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]);
            sum = TensorCore.MultiplyTf32(sum,
                TensorCore.ToTf32(a[g * 8 + t]), TensorCore.ToTf32(a[(g + 8) * 8 + t]), TensorCore.ToTf32(a[g * 8 + t + 4]), TensorCore.ToTf32(a[(g + 8) * 8 + t + 4]),
                TensorCore.ToTf32(b[t * 8 + g]), TensorCore.ToTf32(b[(t + 4) * 8 + g]));
            Store(c, g, t, sum);
        }
    }

    readonly struct Bf16Product(ArrayView<float> a, ArrayView<float> b, ArrayView<float> c) : IGpuKernel
    {
        public void Run()
        {
            int g = Warp.LaneIdx / 4, t = Warp.LaneIdx % 4;
            Float4 sum = new(c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1], c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]);
            sum = TensorCore.MultiplyBf16(sum, A(g, t), A(g + 8, t), A(g, t + 4), A(g + 8, t + 4), B(t, g), B(t + 4, g));
            Store(c, g, t, sum);
        }

        uint A(int row, int pair) => TensorCore.ToBf16(a[row * 16 + 2 * pair], a[row * 16 + 2 * pair + 1]);

        uint B(int pair, int column) => TensorCore.ToBf16(b[2 * pair * 8 + column], b[(2 * pair + 1) * 8 + column]);
    }

    static void Store(ArrayView<float> c, int g, int t, Float4 sum)
    {
        (c[g * 8 + 2 * t], c[g * 8 + 2 * t + 1]) = (sum.X, sum.Y);
        (c[(g + 8) * 8 + 2 * t], c[(g + 8) * 8 + 2 * t + 1]) = (sum.Z, sum.W);
    }

    [Test]
    public void Tf32_product_is_that_of_operands_with_11_bits() =>
        AssertProduct(8, 13, (gpu, a, b, c) => gpu.Launch(1, 32, new Tf32Product(gpu.View(a), gpu.View(b), gpu.View(c))));

    [Test]
    public void Bf16_product_is_that_of_operands_with_8_bits() =>
        AssertProduct(16, 16, (gpu, a, b, c) => gpu.Launch(1, 32, new Bf16Product(gpu.View(a), gpu.View(b), gpu.View(c))));

    static void AssertProduct(int k, int dropped, Action<GpuBackend, Tensor, Tensor, Tensor> launch)
    {
        Philox random = new(3);
        float[] a = Draw(16 * k), b = Draw(k * 8), c = Draw(16 * 8), expected = new float[16 * 8];
        for (int i = 0; i < 16; i++)
            for (int j = 0; j < 8; j++)
            {
                double sum = c[i * 8 + j];
                for (int p = 0; p < k; p++) sum += (double)Round(a[i * k + p]) * Round(b[p * 8 + j]);
                expected[i * 8 + j] = (float)sum;
            }
        float[] actual = OnDevice(gpu =>
        {
            Tensor onA = Tensor.From(a, [16, k]), onB = Tensor.From(b, [k, 8]), onC = Tensor.From(c, [16, 8]);
            launch(gpu, onA, onB, onC);
            return onC.ToArray();
        });
        Assert.That(actual, Is.EqualTo(expected).Within(1e-5f));
        Assert.That(a.Any(x => Math.Abs(x - Round(x)) > 1e-5f), "rounding matters");

        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(2 * random.NextDouble() - 1))];

        float Round(float x) => BitConverter.UInt32BitsToSingle((BitConverter.SingleToUInt32Bits(x) + (1u << (dropped - 1))) >> dropped << dropped);
    }

    readonly struct Rounded(ArrayView<float> x, ArrayView<int> tf32, ArrayView<int> bf16) : IGpuKernel
    {
        public void Run()
        {
            tf32[Group.IdxX] = (int)TensorCore.ToTf32(x[Group.IdxX]);
            bf16[Group.IdxX] = (int)TensorCore.ToBf16(x[Group.IdxX], -x[Group.IdxX]);
        }
    }

    [Test]
    public void Rounding_is_to_the_nearest_away_from_zero_for_tf32_and_to_even_for_bf16()
    {
        uint[] bits = [0x3F800000, 0x3F800FFF, 0x3F801000, 0xBF803000, 0x3F807FFF, 0x3F808000, 0x3F808001, 0x3F818000, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0, 0x80000000];
        uint[] tf32 = [0x3F800000, 0x3F800000, 0x3F802000, 0xBF804000, 0x3F808000, 0x3F808000, 0x3F808000, 0x3F818000, 0x7F800000, 0x7F800000, 0xFF800000, 0, 0x80000000];
        uint[] bf16 = [0x3F80, 0x3F80, 0x3F80, 0xBF80, 0x3F80, 0x3F80, 0x3F81, 0x3F82, 0x7F80, 0x7F80, 0xFF80, 0, 0x8000];
        int n = bits.Length;
        int[][] actual = OnDevice(gpu =>
        {
            Tensor x = Tensor.From([.. bits.Select(BitConverter.UInt32BitsToSingle)], [n]), first = Tensor.Empty([n], DType.Int32), second = Tensor.Empty([n], DType.Int32);
            gpu.Launch(1, n, new Rounded(gpu.View(x), gpu.View<int>(first), gpu.View<int>(second)));
            return new[] { first.ToArray<int>(), second.ToArray<int>() };
        });
        Assert.That(actual[0].Select(v => (uint)v), Is.EqualTo(tf32));
        Assert.That(actual[1].Select(v => (uint)v), Is.EqualTo(bf16.Select(v => v | (v ^ 0x8000) << 16)));
    }

    readonly struct CopyTile(ArrayView<float> x, ArrayView<float> y, int valid) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(4 * 64);
            ArrayView<Float4> fours = shared.Cast<Float4>();
            int whole = Group.IdxX, part = 32 + Group.IdxX;
            AsyncCopy.Start(ref fours[whole], ref x.Cast<Float4>()[whole]);
            AsyncCopy.Start(ref fours[part], ref x.Cast<Float4>()[part], Group.IdxX % 5 < valid ? Group.IdxX % 5 : 0);
            AsyncCopy.Commit();
            AsyncCopy.Wait(0);
            Group.Barrier();
            for (int i = Group.IdxX; i < 4 * 64; i += Group.DimX) y[i] = shared[4 * 64 - 1 - i];
        }
    }

    [Test]
    public void Copies_arrive_and_what_is_beyond_their_count_is_zero()
    {
        float[] x = [.. Enumerable.Range(1, 4 * 64).Select(i => (float)i)];
        float[] expected = [.. x.Select((value, i) => i < 4 * 32 || i % 4 < (i - 4 * 32) / 4 % 5 ? value : 0).Reverse()];
        float[] actual = OnDevice(gpu =>
        {
            Tensor from = Tensor.From(x, [4 * 64]), to = Tensor.Empty([4 * 64]);
            gpu.Launch(1, 32, new CopyTile(gpu.View(from), gpu.View(to), 5));
            return to.ToArray();
        });
        Assert.That(actual, Is.EqualTo(expected));
    }

    static T OnDevice<T>(Func<GpuBackend, T> run)
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        using (Tape.Step())
            return run(gpu);
    }
}
