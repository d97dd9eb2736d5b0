using System.Text.RegularExpressions;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>The fast kernels for products of matrices are compiled to what they are written for.</summary>
[NonParallelizable]
public class MatMulTests
{
    /// <summary>The next panels are on their way from global memory while one is multiplied, are written after that, and there is one barrier a step.</summary>
    [Test]
    public void Blocks_in_registers_are_multiplied_while_the_next_panels_are_read()
    {
        AssertBlocked(PtxCompiler.Compile<BlockedGemm<Block8x8, FourAlong, FourAcross>>(), depth: 8, reads: 4, products: 64);
        AssertBlocked(PtxCompiler.Compile<BlockedGemm<Block4x4, FourAcross, FourAlong>>(), depth: 16, reads: 2, products: 16);

        // Each step's code is there twice: in the loop, and for the last.
        static void AssertBlocked(PtxText text, int depth, int reads, int products)
        {
            Assert.That(text.Local, Is.Empty, "memory of a thread's own");
            Assert.That(text.Count("ld.shared.v4.f32"), Is.EqualTo(2 * depth * reads), "128-bit reads of shared memory");
            Assert.That(text.Count("ld.shared"), Is.EqualTo(2 * depth * reads), "reads of shared memory");
            Assert.That(text.Count("fma.rn.f32"), Is.EqualTo(2 * depth * products), "products");
            Assert.That(text.Count("bar.sync"), Is.EqualTo(2), "barriers");
            Assert.That(Sequence(text, ("ld.global.v4.f32", 'G'), ("st.shared", 'S'), ("bar.sync", 'B'), ("ld.shared", 'L'), ("fma", 'F')),
                Does.Contain($"G{string.Concat(Enumerable.Repeat("LF", depth))}SB"), text.ToString());
        }
    }

    /// <summary>A step waits, passes its one barrier, starts the copies for the step after the next, and multiplies.</summary>
    [Test]
    public void Tensor_cores_multiply_while_copies_are_under_way()
    {
        AssertTensorCores(PtxCompiler.Compile<TensorCoreGemm<RoundTensorFloat32, TensorAlong, TensorAlong>>(), "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", 32, 4 * 12);
        AssertTensorCores(PtxCompiler.Compile<TensorCoreGemm<RoundBFloat16, TensorAlong, TensorAlong>>(), "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", 16, 2 * 12);

        static void AssertTensorCores(PtxText text, string instruction, int products, int roundings)
        {
            Assert.That(text.Local, Is.Empty, "memory of a thread's own");
            Assert.That(text.SharedBytes, Is.EqualTo(48 * 1024));
            Assert.That(text.Count(instruction), Is.EqualTo(products));
            Assert.That(text.Count("cvt.rn"), Is.EqualTo(roundings));
            Assert.That(text.Count("ld.shared.v4.f32"), Is.EqualTo(12), "a read for the four elements that a lane needs of a vector");
            Assert.That(text.Count("cp.async.cg.shared.global"), Is.EqualTo(8), "copies: two a thread of each operand, for the first stages and in the loop");
            Assert.That(text.Count("bar.sync"), Is.EqualTo(1), "barriers");
            Assert.That(Sequence(text, ("cp.async.cg", 'C'), ("cp.async.commit", 'E'), ("cp.async.wait_group 1", 'A'), ("bar.sync", 'B'), ("ld.shared", 'L'), ("mma.sync", 'M')),
                Does.Contain("ABCELMLMLMLM"), text.ToString());
        }
    }

    /// <summary>The instructions of some kinds in the order of the text, a letter for each run of a kind. Blocks of code may stand in another order than they are run in.</summary>
    static string Sequence(PtxText text, params (string Instruction, char Letter)[] kinds)
    {
        IEnumerable<char> letters = text.Lines.SelectMany(line => kinds.Where(kind => line.StartsWith(kind.Instruction) || line.Contains($" {kind.Instruction}")).Select(kind => kind.Letter));
        return Regex.Replace(string.Concat(letters), @"(.)\1+", "$1");
    }
}
