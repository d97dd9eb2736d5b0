using System.Collections.Immutable;
using System.Reflection;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Transformations;

namespace NeuralMemory.Gpu;

/// <summary>
/// Tells the compiler that the views which a kernel is given lie in global memory: <c>ld.global.f32</c> where it else writes <c>ld.f32</c>, which must find out at every access.
/// </summary>
/// <remarks>
/// ILGPU has the pass but runs it at level O2 only, together with others that are not safe; so it is inserted where O2 has it. O2's replacement of <see cref="InferAddressSpaces"/> is left alone:
/// it takes a shared view that is swapped in a loop for a generic one and converts its address twice.
/// </remarks>
static class AddressSpaces
{
    const string Transformers = "KernelTransformers";

    /// <summary>Must run before the first kernel is compiled.</summary>
    /// <exception cref="MissingMemberException">This is not the ILGPU that the trick was written for.</exception>
    public static void Infer(PTXBackend backend)
    {
        PropertyInfo property = typeof(ILGPU.Backends.Backend).GetProperty(Transformers, BindingFlags.Instance | BindingFlags.NonPublic)
            ?? throw new MissingMemberException(nameof(Backend), Transformers);
        var transformers = (ImmutableArray<Transformer>)property.GetValue(backend)!;
        property.SetValue(backend, transformers.Select(transformer =>
        {
            ImmutableArray<Transformation> passes = transformer.Transformations;
            int lower = passes.IndexOf(passes.OfType<LowerStructures>().FirstOrDefault()!);
            return lower < 0 ? transformer : Transformer.Create(transformer.Configuration, passes.Insert(lower, new InferKernelAddressSpaces(MemoryAddressSpace.Global)));
        }).ToImmutableArray());
    }
}
