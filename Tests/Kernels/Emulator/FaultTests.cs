using ILGPU;
using ILGPU.Runtime;

namespace NeuralMemory.Tests.Kernels.Emulation;

/// <summary>Every fault that the emulator reports: a kernel at fault, and the same kernel without.</summary>
[NonParallelizable]
public sealed class FaultTests
{
    EmulatorTesting gpu = null!;

    [SetUp]
    public void SetUp() => gpu = new();

    [TearDown]
    public void TearDown() => gpu.Dispose();

    readonly struct At(ArrayView<float> x, int index) : IKernel
    {
        public void Run()
        {
            if (Grid.IdxX == 1 && Group.IdxX == 2)
                x[index] = 1;
        }
    }

    [TestCase(9, false)]
    [TestCase(10, true)]
    [TestCase(-1, true)]
    public void Index_out_of_range(int index, bool fault)
    {
        var x = gpu.Floats(10);
        if (!fault)
        {
            gpu.Launch(2, 4, new At(x, index));
            return;
        }
        Assert.That(gpu.Fault(2, 4, new At(x, index)), Does.StartWith($"At: group (1, 0, 0), thread (2, 0, 0): index {index} ").And.Contain("view of 10 elements of Single"));
    }

    readonly struct Before(ArrayView<float> x, ArrayView<float> y, int back) : IKernel
    {
        public void Run() => y[Group.IdxX] = x.SubView(4, 4)[Group.IdxX - back];
    }

    [Test]
    public void Negative_index_into_a_sub_view()
    {
        var (x, y) = (gpu.Floats(8), gpu.Floats(4));
        gpu.Launch(1, 4, new Before(x, y, 0));
        Assert.That(gpu.Fault(1, 4, new Before(x, y, 1)), Does.Contain("thread (0, 0, 0)").And.Contain("index -1").And.Contain("negative").And.Contain("4294967295"));
    }

    readonly struct Part(ArrayView<float> x, int start, int length) : IKernel
    {
        public void Run() => x.SubView(start, length)[0] = 3;
    }

    [Test]
    public void Sub_view_out_of_range()
    {
        var x = gpu.Floats(8);
        gpu.Launch(1, 1, new Part(x, 5, 3));
        Assert.That(gpu.Fault(1, 1, new Part(x, 5, 4)), Does.Contain("SubView(5, 4) is outside of a view of 8 elements"));
    }

    [Test]
    public void View_of_a_buffer_that_is_gone()
    {
        var buffer = Context.CreateDefault().Devices[0].CreateAccelerator(Context.CreateDefault()).Allocate1D<float>(10);
        var kernel = new At(buffer.View, 3);
        gpu.Launch(2, 4, kernel);
        buffer.Dispose();
        Assert.That(gpu.Fault(2, 4, kernel), Does.Contain("the view x of 10 elements of Single is no part of a buffer that is in use"));
    }

    readonly struct Leaving(ArrayView<float> y, int leaves) : IKernel
    {
        public void Run()
        {
            if (Group.IdxX == leaves)
                return;
            Group.Barrier();
            y[Group.IdxX] = 1;
        }
    }

    readonly struct TwoBarriers(ArrayView<float> y, int apart) : IKernel
    {
        public void Run()
        {
            if (Group.IdxX < apart)
                Group.Barrier();
            else
                Group.Barrier();
            y[Group.IdxX] = 1;
        }
    }

    [Test]
    public void A_barrier_that_a_thread_does_not_reach()
    {
        var y = gpu.Floats(64);
        gpu.Launch(1, 64, new Leaving(y, 64));
        Assert.That(gpu.Fault(1, 64, new Leaving(y, 40)), Does.Contain("a barrier that not all threads").And.Contain("thread 40 has ended"));
        Assert.That(gpu.Fault(1, 64, new Leaving(y, 0)), Does.Contain("thread 0 has ended"));
    }

    [Test]
    public void Threads_at_different_barriers()
    {
        var y = gpu.Floats(64);
        gpu.Launch(1, 64, new TwoBarriers(y, 64));
        gpu.Launch(1, 64, new TwoBarriers(y, 0));
        Assert.That(gpu.Fault(1, 64, new TwoBarriers(y, 33)), Does.Contain("a barrier that not all threads").And.Contain("Group.Barrier in TwoBarriers.Run"));
    }

    readonly struct Unwritten<T>(ArrayView<T> y, int written) : IKernel where T : unmanaged
    {
        public void Run()
        {
            var shared = SharedMemory.Allocate<T>(32);
            if (Group.IdxX < written)
                shared[Group.IdxX] = default;
            Group.Barrier();
            y[Group.IdxX] = shared[31 - Group.IdxX];
        }
    }

    [Test]
    public void Shared_memory_read_before_written()
    {
        Check(new int[32]);
        Check(new float[32]);
        Check(new byte[32]);
        Check(new Float4[32]);

        void Check<T>(T[] values) where T : unmanaged
        {
            var y = gpu.Buffer(values);
            gpu.Launch(1, 32, new Unwritten<T>(y, 32));
            Assert.That(gpu.Fault(1, 32, new Unwritten<T>(y, 30)), Does.Contain("thread (0, 0, 0)").And.Contain("read before it is written: index 31")
                .And.Contain("of the 32 of SharedMemory.Allocate in Unwritten<"));
        }
    }

    [Test]
    public void What_another_group_wrote_to_shared_memory_is_gone()
    {
        var y = gpu.Buffer(new float[32]);
        Assert.That(gpu.Fault(2, 32, new SecondGroup(y)), Does.StartWith("SecondGroup: group (1, 0, 0)").And.Contain("read before it is written"));
    }

    readonly struct SecondGroup(ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            var shared = SharedMemory.Allocate<float>(32);
            if (Grid.IdxX == 0)
                shared[Group.IdxX] = 1;
            Group.Barrier();
            if (Grid.IdxX == 1)
                y[Group.IdxX] = shared[Group.IdxX];
        }
    }

    [Test]
    public void Shared_memory_is_not_a_number_before_it_is_written()
    {
        using var unchecked_ = new EmulatorTesting(check: false);
        var y = unchecked_.Buffer(new float[32]);
        unchecked_.Launch(1, 32, new Unwritten<float>(y, 20));
        Assert.That(unchecked_.Read(y).Select(float.IsNaN), Is.EqualTo(Enumerable.Range(0, 32).Select(i => i < 12)));
    }

    readonly struct Neighbour(ArrayView<float> y, int barrier) : IKernel
    {
        public void Run()
        {
            var shared = SharedMemory.Allocate<float>(64);
            shared[Group.IdxX] = Group.IdxX;
            if (barrier == 1)
                Warp.Barrier();
            if (barrier == 2)
                Group.Barrier();
            y[Group.IdxX] = shared[(Group.IdxX + 1) % Group.DimX];
        }
    }

    [Test]
    public void Shared_memory_without_a_barrier()
    {
        var y = gpu.Buffer(new float[64]);
        gpu.Launch(1, 64, new Neighbour(y, 2));
        gpu.Launch(1, 32, new Neighbour(y, 1));
        Assert.That(gpu.Fault(1, 64, new Neighbour(y, 0)), Does.Contain("read before it is written"));
        Assert.That(gpu.Fault(1, 64, new Neighbour(y, 1)), Does.Contain("before it is written").Or.Contain("with no barrier between"));
    }

    readonly struct Overwrite(ArrayView<float> y, int barrier) : IKernel
    {
        public void Run()
        {
            var shared = SharedMemory.Allocate<float>(64);
            shared[Group.IdxX] = Group.IdxX;
            Group.Barrier();
            var next = shared[(Group.IdxX + 1) % Group.DimX];
            if (barrier == 1)
                Group.Barrier();
            shared[Group.IdxX] = next;
            Group.Barrier();
            y[Group.IdxX] = shared[Group.IdxX];
        }
    }

    [Test]
    public void Shared_memory_written_while_others_read_it()
    {
        var y = gpu.Buffer(new float[64]);
        gpu.Launch(1, 64, new Overwrite(y, 1));
        Assert.That(gpu.Fault(1, 64, new Overwrite(y, 0)), Does.Contain("with no barrier between").And.Contain("of the 64 of SharedMemory.Allocate"));
    }

    readonly struct Large<T>(ArrayView<float> y) : IKernel where T : unmanaged
    {
        public void Run()
        {
            var first = SharedMemory.Allocate<T>(1024);
            var second = SharedMemory.Allocate<float>(8 * 1024);
            Group.Barrier();
            y[Group.IdxX] = first.Length + second.Length;
        }
    }

    [Test]
    public void Too_much_shared_memory()
    {
        var y = gpu.Floats(4);
        gpu.Launch(1, 4, new Large<Float4>(y));
        Assert.That(gpu.Fault(1, 4, new Large<(Float4, float)>(y)), Does.Contain("more than 49152 bytes of shared memory").And.Contain("SharedMemory.Allocate in Large<"));
    }

    readonly struct Vectors(ArrayView<float> x, ArrayView<float> y, int offset) : IKernel
    {
        public void Run() => y[Group.IdxX] = x.SubView(offset).Cast<Float4>()[Group.IdxX].Z;
    }

    readonly struct Promise(ArrayView<float> x, int offset) : IKernel
    {
        public void Run() => x.SubView(offset).AsAligned(16)[0] = 1;
    }

    [Test]
    public void Misaligned_vectors()
    {
        var (x, y) = (gpu.Floats(64), gpu.Floats(8));
        gpu.Launch(1, 8, new Vectors(x, y, 4));
        Assert.That(gpu.Fault(1, 8, new Vectors(x, y, 5)), Does.Contain("of Float4 is misaligned: 4 bytes past a multiple of 16"));
        gpu.Launch(1, 1, new Promise(x, 8));
        Assert.That(gpu.Fault(1, 1, new Promise(x, 6)), Does.Contain("is misaligned: 8 bytes past a multiple of 16"));
    }

    readonly struct DivergentShuffle(ArrayView<float> x, int lanes) : IKernel
    {
        public void Run()
        {
            if (Warp.LaneIdx < lanes)
                x[Group.IdxX] = Warp.ShuffleXor(x[Group.IdxX], 1);
        }
    }

    readonly struct TwoShuffles(ArrayView<float> x, int lanes) : IKernel
    {
        public void Run() => x[Group.IdxX] = Warp.LaneIdx < lanes ? Warp.ShuffleXor(x[Group.IdxX], 1) : Warp.ShuffleXor(x[Group.IdxX], 1);
    }

    [Test]
    public void Divergent_shuffles()
    {
        var x = gpu.Floats(64);
        gpu.Launch(1, 64, new DivergentShuffle(x, 32));
        gpu.Launch(1, 64, new TwoShuffles(x, 0));
        Assert.That(gpu.Fault(1, 64, new DivergentShuffle(x, 16)), Does.Contain("a shuffle in divergent code").And.Contain("has ended"));
        Assert.That(gpu.Fault(1, 64, new TwoShuffles(x, 16)), Does.Contain("a shuffle in divergent code").And.Contain("Warp.ShuffleXor in TwoShuffles.Run"));
    }

    readonly struct ReadsDown(ArrayView<float> x) : IKernel
    {
        public void Run() => x[Group.IdxX] += Warp.ShuffleDown(x[Group.IdxX], 8);
    }

    [Test]
    public void Shuffle_from_a_lane_that_is_not_there()
    {
        var x = gpu.Floats(64);
        gpu.Launch(1, 64, new ReadsDown(x));
        Assert.That(gpu.Fault(1, 48, new ReadsDown(x)), Does.Contain("lane 16 of its warp, but the group ends at thread 47"));
    }

    readonly struct Racing(ArrayView<float> x, int shared) : IKernel
    {
        public void Run()
        {
            var i = Grid.IdxX * Group.DimX + Group.IdxX;
            x[i % shared] += i;
        }
    }

    readonly struct RacingAcrossBarrier(ArrayView<float> x, int stride) : IKernel
    {
        public void Run()
        {
            x[Group.IdxX * stride] = Group.IdxX;
            Group.Barrier();
            x[Group.IdxX * stride] += 1;
        }
    }

    [Test]
    public void Results_that_depend_on_the_order()
    {
        var x = gpu.Buffer(new float[64]);
        gpu.Launch(4, 16, new Last(x, 64));
        Assert.That(gpu.Fault(4, 16, new Last(x, 60)), Does.Contain("depends on the order of threads").And.Contain("x[0] of 64"));
        gpu.Launch(1, 16, new RacingAcrossBarrier(x, 2));
        Assert.That(gpu.Fault(1, 16, new RacingAcrossBarrier(x, 0)), Does.StartWith("RacingAcrossBarrier: ").And.Contain("depends on the order of threads"));
    }

    readonly struct Last(ArrayView<float> x, int places) : IKernel
    {
        public void Run()
        {
            var i = Grid.IdxX * Group.DimX + Group.IdxX;
            x[i % places] = i;
        }
    }

    [Test]
    public void A_race_leaves_the_launch_before_it_untouched()
    {
        var x = gpu.Buffer(new float[64]);
        gpu.Launch(4, 16, new Racing(x, 64));
        Assert.That(gpu.Read(x), Is.EqualTo(Enumerable.Range(0, 64)), "each order started from the same memory");
    }

    readonly struct Extent(ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            var local = LocalMemory.Allocate<float>(1 + Group.IdxX);
            y[Group.IdxX] = local.Length;
        }
    }

    [Test]
    public void Memory_whose_extent_is_no_constant()
    {
        var y = gpu.Floats(4);
        gpu.Launch(1, 1, new Extent(y));
        Assert.That(gpu.Fault(1, 4, new Extent(y)), Does.Contain("LocalMemory.Allocate in Extent.Run").And.Contain("must be a constant"));
    }

    readonly struct Catching(ArrayView<float> y) : IKernel
    {
        public void Run()
        {
            try
            {
                Group.Barrier();
            }
            finally
            {
                y[0] = 1;
            }
        }
    }

    readonly struct Recursive(ArrayView<float> y) : IKernel
    {
        public void Run() => Again(3);

        void Again(int n)
        {
            Group.Barrier();
            y[0] = n;
            if (n > 0)
                Again(n - 1);
        }
    }

    [Test]
    public void Code_that_is_not_supported_says_where()
    {
        var y = gpu.Floats(1);
        Assert.That(() => gpu.Launch(1, 1, new Catching(y)), Throws.TypeOf<NotSupportedException>().With.Message.Contains("Catching.Run").And.Message.Contains("try"));
        Assert.That(() => gpu.Launch(1, 1, new Recursive(y)), Throws.TypeOf<NotSupportedException>().With.Message.Contains("Recursive.Again calls itself"));
    }
}
