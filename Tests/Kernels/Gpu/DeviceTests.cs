namespace NeuralMemory.Tests.Kernels.Gpu;

/// <summary>Devices by name, and what is said where one is not there.</summary>
public class DeviceTests
{
    [TestCase("gpu")]
    [TestCase("")]
    [TestCase("cuda")]
    [TestCase("cuda:-1")]
    [TestCase("cuda:x")]
    [TestCase("CPU")]
    public void What_is_no_device_is_refused(string name) => Assert.That(
        () => Devices.Open(name), Throws.TypeOf<DeviceException>().With.Message.EqualTo($"\"{name}\" is no device: cpu, cuda:N, opencl:N, emulator or auto was expected."));

    [TestCase("cuda:9999")]
    [TestCase("opencl:9999")]
    public void A_device_that_is_not_there_is_not_replaced_by_another(string name) =>
        Assert.That(() => Devices.Open(name), Throws.TypeOf<DeviceException>().With.Message.StartsWith($"{name} is not there: "));

    [Test]
    public void The_CPU_is_there_and_is_what_auto_means_without_a_GPU()
    {
        Assert.That(Devices.Open("cpu"), Is.SameAs(CpuBackend.Instance));
        Assert.That(Devices.List()[0].Name, Is.EqualTo("cpu"));
        if (Devices.List().All(d => d.Name is "cpu" or "emulator"))
        {
            Assert.That(Devices.Open("auto", out string why), Is.SameAs(CpuBackend.Instance));
            Assert.That(why, Is.Not.Empty);
        }
    }

    [Test]
    public void A_kernel_that_cannot_be_launched_is_named_with_its_shape_and_the_device()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
            Assert.That(() => gpu.Launch(1, 4096, new Nothing()), Throws.TypeOf<DeviceException>().With.Message.StartsWith($"DeviceTests.Nothing could not run on {gpu.Name} as 1 groups of 4096 threads: "));
    }

    readonly struct Nothing : NeuralMemory.Gpu.IGpuKernel
    {
        public void Run() { }
    }

    [Test]
    public void Too_much_memory_is_refused_with_what_was_asked_for()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
            Assert.That(() => gpu.Allocate(1L << 60), Throws.TypeOf<DeviceException>().With.Message.StartsWith($"{gpu.Name} is out of memory: {1L << 60:n0} bytes were asked for"));
    }

    [Test]
    public void Heads_too_wide_for_a_GPU_are_refused()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        using (Tape.Step())
        {
            Tensor q = Tensor.Ones([1, 2, 129]);
            Assert.That(() => q.ScaledDotProductAttention(q, q), Throws.TypeOf<DeviceException>().With.Message.Contains("heads of 129 numbers").And.Message.Contains("at most 128"));
        }
    }

    [Test]
    public void A_recurrence_that_needs_more_shared_memory_than_a_group_has_is_refused()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Backend.Use(gpu))
        using (Tape.Step())
            Assert.That(() => RnnScan.Apply(Tensor.Zeros([1, 1, 7000]), Tensor.Zeros([7000, 7000]), Tensor.Zeros([1, 7000])),
                Throws.TypeOf<DeviceException>().With.Message.StartsWith($"RnnScan needs {14000:n0} floats of shared memory for a step; a group on {gpu.Name} has {12288:n0}."));
    }

    [Test]
    public void Steps_of_two_devices_nest()
    {
        GpuBackend gpu = GpuTesting.Device;
        using (Tape.Step())
        {
            Tensor host = Tensor.Ones([3]);
            using (Backend.Use(gpu))
            {
                Tensor kept = Tensor.Ones([3]) + 1;
                using (Tape.Step()) Assert.That((kept * 2).ToArray(), Is.All.EqualTo(4f));
                Assert.That(kept.ToArray(), Is.All.EqualTo(2f));
            }
            Assert.That((host + 1).ToArray(), Is.All.EqualTo(2f));
        }
    }

    [Test]
    public void Copies_larger_than_what_goes_at_once_arrive_whole()
    {
        GpuBackend gpu = GpuTesting.Device;
        float[] values = [.. Enumerable.Range(0, 700_001).Select(i => (float)i)];
        using (Backend.Use(gpu))
        {
            Tensor there = Tensor.From(values, [values.Length]);
            Assert.That(there.ToArray().AsSpan().SequenceEqual(values));
            Assert.That(there.ToArray<int>()[700_000], Is.EqualTo(700_000));
            Assert.That(there[123_456], Is.EqualTo(123_456));
        }
    }
}
