namespace ILGPU.IR.Intrinsics;

/// <summary>Marks a method that a backend has an instruction for. The emulator runs its body.</summary>
[AttributeUsage(AttributeTargets.Method)]
sealed class IntrinsicImplementationAttribute : Attribute;
