using System.Reflection;
using ILGPU.Backends.OpenCL;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Types;
using ILGPU.IR.Values;
using ILGPU.Runtime.Cuda;
using CompoundRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.CompoundRegister;
using HardwareRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.HardwareRegister;
using PrimitiveRegister = ILGPU.Backends.RegisterAllocator<ILGPU.Backends.PTX.PTXRegisterKind>.PrimitiveRegister;

namespace NeuralMemory.Gpu;

/// <summary>The instructions behind <see cref="GpuMath"/>, <see cref="TensorCore"/> and <see cref="AsyncCopy"/>: what the compiler writes in place of a call.</summary>
static class Instructions
{
    const BindingFlags Any = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    public static void Register(IntrinsicImplementationManager manager)
    {
        MethodInfo fma = typeof(GpuMath).GetMethod(nameof(GpuMath.Fma), Any)!;
        manager.RegisterMethod(fma, new PTXIntrinsic(Method(Fma), IntrinsicImplementationMode.GenerateCode));
        manager.RegisterMethod(fma, new CLIntrinsic(((CLIntrinsic.Handler)FmaForOpenCL).Method, IntrinsicImplementationMode.GenerateCode));

        Ampere(typeof(TensorCore).GetMethod(nameof(TensorCore.ToTf32), Any)!, ToTf32);
        Ampere(typeof(TensorCore).GetMethod(nameof(TensorCore.ToBf16), Any)!, ToBf16);
        Ampere(typeof(TensorCore).GetMethod(nameof(TensorCore.MultiplyTf32), Any)!, MultiplyTf32);
        Ampere(typeof(TensorCore).GetMethod(nameof(TensorCore.MultiplyBf16), Any)!, MultiplyBf16);
        foreach (MethodInfo start in typeof(AsyncCopy).GetMember(nameof(AsyncCopy.Start), MemberTypes.Method, Any).Cast<MethodInfo>()) Ampere(start, Start);
        Ampere(typeof(AsyncCopy).GetMethod(nameof(AsyncCopy.Commit), Any)!, Commit);
        Ampere(typeof(AsyncCopy).GetMethod(nameof(AsyncCopy.Wait), Any)!, Wait);

        void Ampere(MethodInfo method, PTXIntrinsic.Handler handler) =>
            manager.RegisterMethod(method, new PTXIntrinsic(Method(handler), IntrinsicImplementationMode.GenerateCode, CudaArchitecture.SM_80));
    }

    static MethodInfo Method(PTXIntrinsic.Handler handler) => handler.Method;

    static void Fma(PTXBackend _, PTXCodeGenerator code, Value value)
    {
        var call = (MethodCall)value;
        PrimitiveRegister a = code.LoadPrimitive(call[0]), b = code.LoadPrimitive(call[1]), c = code.LoadPrimitive(call[2]);
        HardwareRegister result = code.AllocateHardware(value);
        using var command = code.BeginCommand("fma.rn.f32");
        command.AppendArgument(result);
        command.AppendArgument(a);
        command.AppendArgument(b);
        command.AppendArgument(c);
    }

    static void FmaForOpenCL(CLBackend _, CLCodeGenerator code, Value value)
    {
        var call = (MethodCall)value;
        var (a, b, c) = (code.Load(call[0]), code.Load(call[1]), code.Load(call[2]));
        using var statement = code.BeginStatement(code.Allocate(value));
        statement.AppendCommand("fma");
        statement.BeginArguments();
        statement.AppendArgument(a);
        statement.AppendArgument(b);
        statement.AppendArgument(c);
        statement.EndArguments();
    }

    static void ToTf32(PTXBackend _, PTXCodeGenerator code, Value value)
    {
        PrimitiveRegister x = code.LoadPrimitive(((MethodCall)value)[0]);
        HardwareRegister result = code.AllocateHardware(value);
        using var command = code.BeginCommand("cvt.rna.tf32.f32");
        command.AppendArgument(result);
        command.AppendArgument(x);
    }

    static void ToBf16(PTXBackend _, PTXCodeGenerator code, Value value)
    {
        var call = (MethodCall)value;
        PrimitiveRegister first = code.LoadPrimitive(call[0]), second = code.LoadPrimitive(call[1]);
        HardwareRegister result = code.AllocateHardware(value);
        using var command = code.BeginCommand("cvt.rn.bf16x2.f32");
        command.AppendArgument(result);
        command.AppendArgument(second);                   // the upper half comes first
        command.AppendArgument(first);
    }

    static void MultiplyTf32(PTXBackend _, PTXCodeGenerator code, Value value) => Multiply(code, (MethodCall)value, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");

    static void MultiplyBf16(PTXBackend _, PTXCodeGenerator code, Value value) => Multiply(code, (MethodCall)value, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");

    static void Multiply(PTXCodeGenerator code, MethodCall call, string instruction)
    {
        PrimitiveRegister[] c = ((CompoundRegister)code.Load(call[0])).SliceAs<PrimitiveRegister>(0, 4);
        PrimitiveRegister[] operands = [.. Enumerable.Range(1, 6).Select(i => code.LoadPrimitive(call[i]))];
        c = [.. c.Select(code.EnsureHardwareRegister)];   // a vector of registers takes no constants
        operands = [.. operands.Select(code.EnsureHardwareRegister)];
        PrimitiveRegister[] d = ((CompoundRegister)code.Allocate(call)).SliceAs<PrimitiveRegister>(0, 4);
        using var command = code.BeginCommand(instruction);
        command.AppendVectorArgument(d);
        command.AppendVectorArgument(operands[..4]);
        command.AppendVectorArgument(operands[4..]);
        command.AppendVectorArgument(c);
    }

    static void Start(PTXBackend backend, PTXCodeGenerator code, Value value)
    {
        var call = (MethodCall)value;
        HardwareRegister shared = Address(call[0], MemoryAddressSpace.Shared, "cvta.to.shared.u64"), global = Address(call[1], MemoryAddressSpace.Global, "cvta.to.global.u64");
        HardwareRegister? bytes = null;
        if (call.Count == 3)
        {
            HardwareRegister count = code.EnsureHardwareRegister(code.LoadPrimitive(call[2]));
            bytes = code.AllocateInt32Register();
            using var shift = code.BeginCommand("shl.b32");
            shift.AppendArgument(bytes);
            shift.AppendArgument(count);
            shift.AppendConstant(2);
        }
        using var copy = code.BeginCommand("cp.async.cg.shared.global");
        copy.AppendArgumentValue(shared);
        copy.AppendArgumentValue(global);
        copy.AppendConstant(16);
        if (bytes is not null) copy.AppendArgument(bytes);

        // Where the compiler knows which memory a reference goes to, the register holds an address within that, else a generic one.
        HardwareRegister Address(Value reference, MemoryAddressSpace space, string conversion)
        {
            HardwareRegister register = code.LoadHardware(reference);
            MemoryAddressSpace known = ((AddressSpaceType)reference.Type).AddressSpace;
            if (known == space) return register;
            if (known != MemoryAddressSpace.Generic) throw new NotSupportedException($"AsyncCopy.Start: {space} memory was expected, not {known}.");
            HardwareRegister result = code.AllocatePlatformRegister(out _);
            using var command = code.BeginCommand(conversion);
            command.AppendArgument(result);
            command.AppendArgument(register);
            return result;
        }
    }

    static void Commit(PTXBackend _, PTXCodeGenerator code, Value value) => code.Command("cp.async.commit_group");

    static void Wait(PTXBackend _, PTXCodeGenerator code, Value value)
    {
        if (((MethodCall)value)[0].Resolve() is not PrimitiveValue groups) throw new NotSupportedException("AsyncCopy.Wait: the number of groups must be a constant.");
        using var command = code.BeginCommand("cp.async.wait_group");
        command.AppendConstant(groups.Int32Value);
    }
}
