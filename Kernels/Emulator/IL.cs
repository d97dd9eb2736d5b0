using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Emit;

namespace NeuralMemory.Emulation;

/// <summary>An instruction of a method. Operands are the closed members and types, branch targets offsets in the method.</summary>
readonly record struct Instruction(int Offset, OpCode Code, object? Operand)
{
    public override string ToString() => $"IL_{Offset:x4}: {Code.Name} {Operand}";
}

/// <summary>Reads a method's instructions.</summary>
[RequiresUnreferencedCode("The emulator reads and rewrites the IL of kernels.")]
[RequiresDynamicCode("The emulator emits IL.")]
static class IL
{
    // One- and two-byte opcodes; the latter start with 0xFE.
    static readonly OpCode[] opcodes = new OpCode[512];

    static IL()
    {
        foreach (var field in typeof(OpCodes).GetFields())
        {
            var code = (OpCode)field.GetValue(null)!;
            opcodes[code.Size == 1 ? code.Value : 256 + (code.Value & 0xFF)] = code;
        }
    }

    /// <summary>All instructions of <paramref name="method"/>, in order.</summary>
    public static List<Instruction> Read(MethodBase method)
    {
        var bytes = method.GetMethodBody()?.GetILAsByteArray() ?? throw new NotSupportedException($"{method} has no IL.");
        var module = method.Module;
        var typeArguments = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var methodArguments = method.IsGenericMethod ? method.GetGenericArguments() : null;
        var instructions = new List<Instruction>();
        for (var at = 0; at < bytes.Length;)
        {
            var offset = at;
            var code = bytes[at] == 0xFE ? opcodes[256 + bytes[++at]] : opcodes[bytes[at]];
            at++;
            instructions.Add(new(offset, code, Operand(code)));

            object? Operand(OpCode code)
            {
                switch (code.OperandType)
                {
                    case OperandType.InlineNone: return null;
                    case OperandType.ShortInlineI: return (int)(sbyte)bytes[at++];
                    case OperandType.ShortInlineVar: return (int)bytes[at++];
                    case OperandType.InlineVar: return (int)BitConverter.ToUInt16(bytes, (at += 2) - 2);
                    case OperandType.InlineI: return Int32();
                    case OperandType.InlineI8: return BitConverter.ToInt64(bytes, (at += 8) - 8);
                    case OperandType.ShortInlineR: return BitConverter.ToSingle(bytes, (at += 4) - 4);
                    case OperandType.InlineR: return BitConverter.ToDouble(bytes, (at += 8) - 8);
                    case OperandType.ShortInlineBrTarget: return (sbyte)bytes[at++] + at;
                    case OperandType.InlineBrTarget: return Int32() + at;
                    case OperandType.InlineString: return module.ResolveString(Int32());
                    case OperandType.InlineMethod: return module.ResolveMethod(Int32(), typeArguments, methodArguments);
                    case OperandType.InlineField: return module.ResolveField(Int32(), typeArguments, methodArguments);
                    case OperandType.InlineType: return module.ResolveType(Int32(), typeArguments, methodArguments);
                    case OperandType.InlineTok: return module.ResolveMember(Int32(), typeArguments, methodArguments);
                    case OperandType.InlineSwitch:
                        var targets = new int[Int32()];
                        var end = at + 4 * targets.Length;
                        for (var i = 0; i < targets.Length; i++)
                            targets[i] = end + Int32();
                        return targets;
                    default: return Int32();
                }
            }

            int Int32() => BitConverter.ToInt32(bytes, (at += 4) - 4);
        }
        return instructions;
    }

    /// <summary>
    /// The method that a <c>constrained.</c> call on a struct runs: the struct's own; null where it has none, as for a method of Object.
    /// </summary>
    public static MethodBase? Devirtualize([DynamicallyAccessedMembers((DynamicallyAccessedMemberTypes)(-1))] Type type, MethodBase method)
    {
        if (!type.IsValueType || method.DeclaringType is not { IsInterface: true } contract)
            return null;
        var definition = method is MethodInfo { IsGenericMethod: true } generic ? generic.GetGenericMethodDefinition() : method;
        var map = type.GetInterfaceMap(contract);
        var target = map.TargetMethods[Array.IndexOf(map.InterfaceMethods, definition)];
        return method.IsGenericMethod ? target.MakeGenericMethod(method.GetGenericArguments()) : target;
    }
}
