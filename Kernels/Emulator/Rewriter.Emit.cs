using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace NeuralMemory.Emulation;

// The emitted method: a switch to where the thread waited, and the code with a way out and in at every wait.
sealed partial class Rewriter
{
    void Emit(ILGenerator il)
    {
        Label[] resume = sites.Select(_ => il.DefineLabel()).ToArray();
        foreach (Op op in ops.Where(op => op.IsTarget))
            op.Label = il.DefineLabel();
        if (sites.Count > 1)
        {
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Switch, resume);
            il.MarkLabel(resume[0]);
        }
        else
        {
            // Argument 0 counts the threads.
            Label run = il.DefineLabel();
            il.MarkLabel(resume[0]);
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Call, typeof(Machine).GetProperty(nameof(Machine.Threads))!.GetMethod!);
            il.Emit(OpCodes.Blt, run);
            il.Emit(OpCodes.Ldc_I4, Program.Ended);
            il.Emit(OpCodes.Ret);
            il.MarkLabel(run);
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Call, typeof(Machine).GetMethod(nameof(Machine.SetTurn))!);
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(OpCodes.Ldc_I4_1);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Starg_S, (byte)0);
        }
        foreach (Op op in ops)
        {
            if (op.IsTarget)
                il.MarkLabel(op.Label);
            switch (op.Kind)
            {
                case Kind.Load: Load(op.Variable); break;
                case Kind.Store: Store(op.Variable); break;
                case Kind.Address when op.Variable.InFrame: FrameAddress(op.Variable); break;
                case Kind.Address: il.Emit(OpCodes.Ldloca, Local(op.Variable)); break;
                case Kind.Wait: EmitWait(op); break;
                default: EmitPlain(op); break;
            }
        }

        LocalBuilder Local(Variable v) => v.Local ??= il.DeclareLocal(v.Type);

        void FrameAddress(Variable v)
        {
            il.Emit(v.IsKernel ? OpCodes.Ldarg_2 : OpCodes.Ldarg_1);
            if (v.IsKernel || v.Offset == 0)
                return;
            il.Emit(OpCodes.Ldc_I4, v.Offset);
            il.Emit(OpCodes.Add);
        }

        void Load(Variable v)
        {
            if (v.InFrame)
                FromFrame(v);
            else
                il.Emit(OpCodes.Ldloc, Local(v));
        }

        void Store(Variable v)
        {
            il.Emit(OpCodes.Stloc, Local(v));
            if (v.InFrame)
                ToFrame(v);
        }

        void FromFrame(Variable v)
        {
            FrameAddress(v);
            il.Emit(OpCodes.Ldobj, Stored(v.Type));
        }

        void ToFrame(Variable v)
        {
            FrameAddress(v);
            il.Emit(OpCodes.Ldloc, Local(v));
            il.Emit(OpCodes.Stobj, Stored(v.Type));
        }

        void EmitWait(Op op)
        {
            int site = (int)op.Operand!;
            Variable[] spilled = op.Stack!.Select((value, depth) => Spill(depth, value.Type)).ToArray();
            foreach (Variable v in spilled)
                Place(v, op);
            foreach (Variable v in spilled.Reverse())
                il.Emit(OpCodes.Stloc, Local(v));
            foreach (Variable v in spilled)
                ToFrame(v);
            foreach (Variable v in variables.Where(v => v.Index < op.Live!.Count && op.Live[v.Index] && !v.InFrame && !op.Clean![v.Index]))
                ToFrame(v);
            il.Emit(OpCodes.Ldc_I4, site);
            il.Emit(OpCodes.Ret);
            il.MarkLabel(resume[site]);
            foreach (Variable v in variables.Where(v => v.Index < op.Live!.Count && op.Live[v.Index] && !v.InFrame))
            {
                FromFrame(v);
                il.Emit(OpCodes.Stloc, Local(v));
            }
            foreach (Variable v in spilled)
                FromFrame(v);
        }

        void EmitPlain(Op op)
        {
            if (instrument)
                Instrument(op);
            switch (op.Operand)
            {
                case null when op.Code == OpCodes.Switch: il.Emit(op.Code, op.Targets.Select(t => t.Label).ToArray()); break;
                case null when op.Targets is [var target]: il.Emit(op.Code, target.Label); break;
                case null when op.Code == OpCodes.Ret && sites.Count == 1: il.Emit(OpCodes.Br, resume[0]); break;
                case null when op.Code == OpCodes.Ret: il.Emit(OpCodes.Ldc_I4, Program.Ended); il.Emit(OpCodes.Ret); break;
                case null: il.Emit(op.Code); break;
                case MethodInfo method: il.Emit(op.Code, method); break;
                case ConstructorInfo constructor: il.Emit(op.Code, constructor); break;
                case FieldInfo field: il.Emit(op.Code, field); break;
                case Type type: il.Emit(op.Code, type); break;
                case string text: il.Emit(op.Code, text); break;
                case int value when op.Code.OperandType == OperandType.ShortInlineI: il.Emit(op.Code, (byte)value); break;
                case int value: il.Emit(op.Code, value); break;
                case long value: il.Emit(op.Code, value); break;
                case float value: il.Emit(op.Code, value); break;
                case double value: il.Emit(op.Code, value); break;
                default: throw new NotSupportedException($"{op.Where}: {op.Code.Name} is not supported in a kernel.");
            }
        }

        // Tells SharedShadow of a load or a store by address, before it happens.
        void Instrument(Op op)
        {
            Value[] stack = op.Stack!;
            string name = op.Code.Name!;
            bool reads = name == "ldobj" || name.StartsWith("ldind") || name == "ldfld" && IsAddress(stack[^1]);
            bool writes = name == "stobj" || name.StartsWith("stind") || name == "stfld";
            bool clears = name == "initobj";
            if (!reads && !writes && !clears)
                return;
            Value address = stack[writes ? ^2 : ^1];
            if (address is { Source: not null, ByAddress: true })
                return;
            Variable? value = writes ? Spill(stack.Length - 1, stack[^1].Type) : null;
            if (value != null)
                il.Emit(OpCodes.Stloc, Local(value));
            il.Emit(OpCodes.Dup);
            if (op.Operand is FieldInfo field)
                il.Emit(OpCodes.Ldflda, field);
            il.Emit(OpCodes.Conv_U);
            Type type = op.Operand switch { Type t => t, FieldInfo f => f.FieldType, _ => Indirect(name) };
            hasSmallAccesses |= RuntimeHelpers.SizeOf(type.TypeHandle) % 4 != 0;
            il.Emit(OpCodes.Sizeof, type);
            il.Emit(OpCodes.Call, typeof(SharedShadow).GetMethod(reads ? nameof(SharedShadow.Read) : nameof(SharedShadow.Write))!);
            if (value != null)
                il.Emit(OpCodes.Ldloc, Local(value));
        }

        static bool IsAddress(Value value) => value.Type.IsByRef || value.Type.IsPointer || value.Type == typeof(nint);

        static Type Indirect(string name) => name[6..] switch
        {
            "i1" or "u1" => typeof(byte),
            "i2" or "u2" => typeof(short),
            "i4" or "u4" or "r4" => typeof(int),
            _ => typeof(long),
        };
    }

    // A variable for a value on the evaluation stack while the thread waits; waits share them.
    Variable Spill(int depth, Type type)
    {
        if (!spills.TryGetValue((depth, type), out Variable? variable))
            spills[(depth, type)] = variable = New(type);
        return variable;
    }
}
