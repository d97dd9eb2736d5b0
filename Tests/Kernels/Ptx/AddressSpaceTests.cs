using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>A kernel's code knows whether its memory is global or shared.</summary>
public class AddressSpaceTests
{
    readonly struct Scale(ArrayView<float> x, Pair pair) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<float> shared = SharedMemory.Allocate<float>(64);
            shared[Group.IdxX] = x[Group.IdxX];
            Group.Barrier();
            pair.B.SubView(Grid.IdxX * 64, 64)[Group.IdxX] = pair.A[0] * shared[63 - Group.IdxX];
        }
    }

    readonly struct Pair(ArrayView<float> a, ArrayView<float> b)
    {
        public readonly ArrayView<float> A = a, B = b;
    }

    [Test]
    public void Arguments_are_global_and_allocations_shared()
    {
        PtxText text = PtxCompiler.Compile<Scale>();
        Assert.That(text.Generic, Is.Empty);
        Assert.That((text.Count("ld.global.f32"), text.Count("st.global.f32"), text.Count("ld.shared.f32"), text.Count("st.shared.f32")), Is.EqualTo((2, 1, 1, 1)));
        text.AssertOrder("ld.global.f32", "st.shared.f32", "bar.sync", "ld.shared.f32", "st.global.f32");
    }

    readonly struct Swap(ArrayView<float> x, int steps) : IGpuKernel
    {
        public void Run()
        {
            ArrayView<float> a = SharedMemory.Allocate<float>(64), b = SharedMemory.Allocate<float>(64);
            for (int i = 0; i < steps; i++)
            {
                a[Group.IdxX] = b[63 - Group.IdxX] + i;
                Group.Barrier();
                (a, b) = (b, a);
            }
            x[Group.IdxX] = a[Group.IdxX];
        }
    }

    [Test]
    public void Views_that_change_places_are_slow_but_right()
    {
        // Two conversions to generic addresses, before the loop, and none back: with all of O2's passes an address that is shared already is converted in the loop.
        PtxText text = PtxCompiler.Compile<Swap>();
        Assert.That((text.Count("cvta.shared.u64"), text.Count("cvta.to.shared.u64")), Is.EqualTo((2, 0)));
        Assert.That(text.Generic, Is.Not.Empty);
    }
}
