using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>Each method of <see cref="GpuMath"/>, <see cref="TensorCore"/> and <see cref="AsyncCopy"/> becomes its instruction, with its operands in registers.</summary>
public class InstructionTests
{
    readonly struct FmaKernel(ArrayView<float> x) : IGpuKernel
    {
        public void Run() => x[0] = GpuMath.Fma(x[1], x[2], 3);
    }

    [Test]
    public void Fma_is_one_instruction()
    {
        PtxText text = PtxCompiler.Compile<FmaKernel>();
        AssertClean(text);
        Assert.That(text.Lines, Has.One.Match(@"^fma\.rn\.f32 %f\d+, %f\d+, %f\d+, 0f40400000;"));
    }

    readonly struct RoundKernel(ArrayView<float> x, ArrayView<uint> y) : IGpuKernel
    {
        public void Run()
        {
            y[0] = TensorCore.ToTf32(x[0]);
            y[1] = TensorCore.ToBf16(x[1], x[2]);
        }
    }

    [Test]
    public void Rounding_is_one_instruction_each_with_the_second_number_in_the_upper_half()
    {
        PtxText text = PtxCompiler.Compile<RoundKernel>();
        AssertClean(text);
        string[] loaded = [.. text.Lines.Where(line => line.StartsWith("ld.global.f32")).Select(line => line.Split([' ', ','])[1])];
        Assert.That(text.Lines, Has.One.Match($@"^cvt\.rna\.tf32\.f32 %r\d+, {loaded[0]};"));
        Assert.That(text.Lines, Has.One.Match($@"^cvt\.rn\.bf16x2\.f32 %r\d+, {loaded[2]}, {loaded[1]};"));
    }

    readonly struct MultiplyKernel<F>(ArrayView<Float4> c, ArrayView<uint> a, ArrayView<uint> b, int steps) : IGpuKernel where F : struct, IFormat
    {
        public void Run()
        {
            Float4 sum = default;
            for (int k = 0; k < steps; k++) sum = F.Multiply(sum, a[k], a[k + 1], a[k + 2], a[k + 3], b[k], b[k + 1]);
            c[Group.IdxX] = sum;
        }
    }

    interface IFormat
    {
        static abstract Float4 Multiply(Float4 c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1);
    }

    readonly struct Tf32 : IFormat
    {
        public static Float4 Multiply(Float4 c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1) => TensorCore.MultiplyTf32(c, a0, a1, a2, a3, b0, b1);
    }

    readonly struct Bf16 : IFormat
    {
        public static Float4 Multiply(Float4 c, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1) => TensorCore.MultiplyBf16(c, a0, a1, a2, a3, b0, b1);
    }

    [Test]
    public void Matrix_products_accumulate_in_registers()
    {
        AssertProduct(PtxCompiler.Compile<MultiplyKernel<Tf32>>(), @"mma\.sync\.aligned\.m16n8k8\.row\.col\.f32\.tf32\.tf32\.f32");
        AssertProduct(PtxCompiler.Compile<MultiplyKernel<Bf16>>(), @"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.bf16\.bf16\.f32");

        static void AssertProduct(PtxText text, string instruction)
        {
            const string four = @"\{%f\d+, %f\d+, %f\d+, %f\d+\}", a = @"\{%r\d+, %r\d+, %r\d+, %r\d+\}", b = @"\{%r\d+, %r\d+\}";
            AssertClean(text);
            Assert.That(text.Lines, Has.One.Match($"^{instruction} {four}, {a}, {b}, {four};"));
            Assert.That(text.Count("st.global.v4.f32"), Is.EqualTo(1));
        }
    }

    readonly struct CopyKernel(ArrayView<float> x, ArrayView<float> y, int tiles, int valid) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<Float4> shared = SharedMemory.Allocate<float>(2 * 4 * 32).Cast<Float4>(), from = x.Cast<Float4>();
            AsyncCopy.Start(ref shared[Group.IdxX], ref from[Group.IdxX]);
            AsyncCopy.Commit();
            for (int tile = 1; tile <= tiles; tile++)
            {
                AsyncCopy.Start(ref shared[tile % 2 * 32 + Group.IdxX], ref from[tile * 32 + Group.IdxX], valid);
                AsyncCopy.Commit();
                AsyncCopy.Wait(1);
                Group.Barrier();
                y.Cast<Float4>()[tile * 32 + Group.IdxX] = shared[(tile - 1) % 2 * 32 + 31 - Group.IdxX];
                Group.Barrier();
            }
        }
    }

    [Test]
    public void Copies_go_from_global_to_shared_memory_and_are_waited_for_before_the_barrier()
    {
        PtxText text = PtxCompiler.Compile<CopyKernel>();
        AssertClean(text);
        Assert.That(text.Lines, Has.One.Match(@"^cp\.async\.cg\.shared\.global \[%rd\d+\], \[%rd\d+\], 16;"));
        Assert.That(text.Lines, Has.One.Match(@"^cp\.async\.cg\.shared\.global \[%rd\d+\], \[%rd\d+\], 16, %r\d+;"));
        text.AssertOrder("cp.async.cg.shared.global", "cp.async.commit_group", "cp.async.wait_group 1", "bar.sync", "ld.shared.v4.f32", "st.global.v4.f32", "bar.sync");
    }

    static void AssertClean(PtxText text)
    {
        Assert.That(text.Local, Is.Empty, "memory of a thread's own");
        Assert.That(text.External, Is.Empty, "functions that nobody has");
        Assert.That(text.Generic, Is.Empty, "generic loads and stores");
    }
}
