using ILGPU;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>What holds for every kernel, seen in what it is compiled to.</summary>
[NonParallelizable]
public class KernelTests
{
    /// <summary>Kernels that may use memory of a thread's own, and why.</summary>
    static readonly Dictionary<string, string> mayUseLocal = new()
    {
        ["Sin"] = "ILGPU's sine of a double, for numbers beyond the reach of the float's, reduces them with a table",
        ["Cos"] = "as Sin",
    };

    static readonly Lazy<Type[]> kernels = new(() => [.. PtxCompiler.Kernels()]);

    static IEnumerable<TestCaseData> Kernels => kernels.Value.Select(kernel => new TestCaseData(kernel).SetName($"Kernel {GpuBackend.Title(kernel)}"));

    [TestCaseSource(nameof(Kernels))]
    public void Kernel_compiles_can_be_launched_and_keeps_its_numbers_in_registers(Type kernel)
    {
        PtxText text = PtxCompiler.Compile(kernel);
        Assert.Multiple(() =>
        {
            if (!Names(kernel).Any(mayUseLocal.ContainsKey)) Assert.That(text.Local, Is.Empty, "uses of memory of a thread's own");
            Assert.That(text.External, Is.Empty, "functions that nobody has");
            Assert.That(text.Generic, Is.Empty, "loads and stores that do not know whether memory is global or shared");
            Assert.That(text.SharedBytes, Is.LessThanOrEqualTo(48 * 1024), "bytes of shared memory");
            if (kernel.IsGenericType && kernel.GetGenericTypeDefinition() == typeof(GpuEach<>))
                Assert.That(Math.Min(text.Count("ld.global.v4.f32"), text.Count("st.global.v4.f32")), Is.Positive, "loads and stores of four floats");
            Assert.That(text.ArgumentBytes, Is.LessThanOrEqualTo(4096), "bytes of arguments");
        });
    }

    static IEnumerable<string> Names(Type type) => type.GetGenericArguments().SelectMany(Names).Append(type.Name);

    readonly struct Size(int n)
    {
        public readonly int N = n;
    }

    readonly struct PrivateArgument(ArrayView<float> x, Size size) : IGpuKernel
    {
        public void Run() => x[0] = size.N;
    }

    [Test]
    public void Private_types_of_arguments_are_found_out() => Assert.That(() => PtxCompiler.Compile<PrivateArgument>(), Throws.TypeOf<TypeLoadException>());

    [Test]
    public void Every_generic_kernel_is_compiled_for_some_types()
    {
        var compiled = kernels.Value.Select(kernel => kernel.IsGenericType ? kernel.GetGenericTypeDefinition() : kernel).ToHashSet();
        Assert.That(PtxCompiler.Definitions.Where(kernel => !compiled.Contains(kernel)), Is.Empty);
    }
}
