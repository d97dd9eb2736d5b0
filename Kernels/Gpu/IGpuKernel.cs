namespace NeuralMemory.Gpu;

/// <summary>
/// A GPU kernel, the counterpart of <see cref="ICpuKernel"/>: a struct of its arguments, views of device memory and numbers, and what each of its threads does.
/// </summary>
/// <remarks>
/// It is compiled by ILGPU, or run by the emulator, from its intermediate code: fields are views, ints, floats, doubles and structs of them; the code makes no objects, throws nothing and
/// takes no bool, span or pointer.
/// </remarks>
interface IGpuKernel
{
    /// <summary>One thread's work. <c>Grid.IdxX</c> is the number of its group, <c>Group.IdxX</c> its own within the group.</summary>
    void Run();
}
