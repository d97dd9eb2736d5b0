using System.Reflection;
using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime;
using ILGPU.Runtime.Cuda;
using NeuralMemory.Gpu;

namespace NeuralMemory.Tests.Kernels.Ptx;

/// <summary>Compiles kernels to PTX with the settings of a CUDA device of compute capability 8.0, which need not be there.</summary>
static class PtxCompiler
{
    static readonly MethodInfo entry = typeof(GpuBackend).GetMethod("Entry", BindingFlags.Static | BindingFlags.NonPublic)!;
    static readonly Lock gate = new();
    static Context? context;
    static PTXBackend? backend;

    public static PtxText Compile<K>() where K : struct, IGpuKernel => Compile(typeof(K));

    /// <summary>The kernel's code; what would launch it is emitted too.</summary>
    public static PtxText Compile(Type kernel)
    {
        lock (gate)
        {
            try
            {
                var compiled = (PTXCompiledKernel)Backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(entry.MakeGenericMethod(kernel)), KernelSpecialization.Empty);
                Launcher.Emit(kernel, compiled, Backend, context!);
                return new(compiled.PTXAssembly);
            }
            catch
            {
                backend = null;                           // after an error, a context compiles nothing more
                throw;
            }
        }
    }

    static PTXBackend Backend
    {
        get
        {
            if (backend is not null) return backend;
            context?.Dispose();
            context = IlgpuContext.Configure(Context.Create()).ToContext();
            backend = new(context, CudaArchitecture.SM_80, CudaInstructionSet.ISA_70, null!);
            AddressSpaces.Infer(backend);
            return backend;
        }
    }

    /// <summary>Every kernel of the libraries; a generic one with the types of theirs that it takes, in all combinations where these are few.</summary>
    public static IEnumerable<Type> Kernels() => Definitions.SelectMany(Close);

    /// <summary>Every kernel as it is written.</summary>
    public static IEnumerable<Type> Definitions => structs.Where(typeof(IGpuKernel).IsAssignableFrom);

    const int FewCombinations = 128;

    static readonly Type[] structs = [.. new[] { typeof(Tensor), typeof(GpuBackend), typeof(NeuralMemory.Models.Ntm) }.SelectMany(type => type.Assembly.GetTypes()).Where(type => type.IsValueType)];

    static IEnumerable<Type> Structs(params Type[] interfaces) => structs.Where(type => interfaces.All(i => i.IsAssignableFrom(type))).SelectMany(Close);

    static IEnumerable<Type> Close(Type definition)
    {
        if (!definition.ContainsGenericParameters) return [definition];
        Type[] parameters = definition.GetGenericArguments();
        Type[][] choices = [.. parameters.Where(parameter => Side(parameter) is null).Select(Arguments)];
        int all = choices.Aggregate(1, (product, choice) => product * choice.Length), most = choices.Max(choice => choice.Length);
        IEnumerable<Type[]> combinations = all <= FewCombinations
            ? choices.Aggregate<Type[], IEnumerable<Type[]>>([[]], (lists, choice) => lists.SelectMany(list => choice.Select(type => (Type[])[.. list, type])))
            : Enumerable.Range(0, most).Select(i => (Type[])[.. choices.Select(choice => choice[i % choice.Length])]);
        foreach (Type side in parameters.Select(Side).OfType<Type>()) combinations = combinations.SelectMany(list => Sides(side, list).Select(type => (Type[])[.. list, type]));
        return combinations.Select(arguments => TryClose(definition, arguments)).OfType<Type>();
    }

    /// <summary>The interface that a parameter has to implement, where it is nested in the class that the kernel is nested in, and generic as that is: <c>Binary&lt;F&gt;.ISide</c>.</summary>
    static Type? Side(Type parameter) =>
        parameter.GetGenericParameterConstraints().FirstOrDefault(constraint => constraint is { IsInterface: true, ContainsGenericParameters: true, IsNested: true }
            && constraint.DeclaringType == parameter.DeclaringType!.DeclaringType);

    /// <summary>What implements it, for the arguments that the class is given.</summary>
    static IEnumerable<Type> Sides(Type side, Type[] arguments) =>
        structs.Where(type => type.DeclaringType == side.DeclaringType && type.GetGenericArguments().Length == arguments.Length && type.GetInterfaces().Any(i => i.Name == side.Name))
            .Select(type => type.MakeGenericType(arguments));

    static Type[] Arguments(Type parameter)
    {
        Type[] interfaces = [.. parameter.GetGenericParameterConstraints().Where(constraint => constraint.IsInterface && !constraint.ContainsGenericParameters)];
        return interfaces.Length == 0 ? [typeof(float), typeof(int)] : [.. Structs(interfaces)];
    }

    static Type? TryClose(Type definition, Type[] arguments)
    {
        try
        {
            return definition.MakeGenericType(arguments);
        }
        catch (ArgumentException)
        {
            return null;                                  // it takes each of them, but not together
        }
    }
}
