using System.Collections;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace NeuralMemory.Emulation;

// What flows through the code: values on the evaluation stack, variables from a store to a load, addresses into pointers.
sealed partial class Rewriter
{
    /// <summary>Finds the evaluation stack before each instruction that can be reached, and what pointers point at.</summary>
    void FollowStack()
    {
        Dictionary<Op, int> position = [];
        for (int i = 0; i < ops.Count; i++)
            position[ops[i]] = i;
        Stack<(int, Value[])> work = new([(0, [])]);
        while (work.TryPop(out (int, Value[]) next))
        {
            (int i, Value[] stack) = next;
            for (; ; i++)
            {
                Op op = ops[i];
                if (op.Stack != null)
                {
                    Merge(op.Stack, stack);
                    break;
                }
                op.Stack = stack;
                stack = After(op, stack);
                foreach (Op target in op.Targets)
                    work.Push((position[target], stack));
                if (op.EndsFlow)
                    break;
            }
        }
    }

    void Merge(Value[] known, Value[] now)
    {
        for (int i = 0; i < known.Length; i++)
        {
            if (known[i].Source == now[i].Source)
                continue;
            KeepTarget(known[i]);
            KeepTarget(now[i]);
        }
    }

    // What is pointed at by a value that is not followed further stays in the frame.
    void KeepTarget(Value value)
    {
        if (value is { Source: { } source, ByAddress: true })
            source.InFrame = true;
        else if (value.Source != null)
            kept.Add(value.Source);
    }

    Value[] After(Op op, Value[] stack)
    {
        switch (op.Kind)
        {
            case Kind.Load: return [.. stack, new(op.Variable.Type, op.Variable.IsPointer ? op.Variable : null)];
            case Kind.Address: return [.. stack, new(op.Variable.Type.MakeByRefType(), op.Variable, ByAddress: true)];
            case Kind.Wait: return stack;
            case Kind.Store:
                if (stack[^1].Source is { } source)
                    op.Variable.PointsTo.Add((source, stack[^1].ByAddress));
                return stack[..^1];
        }
        OpCode code = op.Code;
        if (op.Operand is MethodBase method)
        {
            int pops = method.GetParameters().Length + (method.IsStatic || code == OpCodes.Newobj ? 0 : 1);
            Type result = code == OpCodes.Newobj ? method.DeclaringType! : method is MethodInfo info ? info.ReturnType : typeof(void);
            if (result == typeof(void))
                return stack[..^pops];
            // A reference that comes back points at what one of the arguments pointed at; a view's element is no variable.
            bool pointsAtArgument = (result.IsByRef || result.IsPointer) && method.DeclaringType!.Namespace != nameof(ILGPU);
            Value[] sources = pointsAtArgument ? [.. stack[^pops..].Where(v => v.Source != null)] : [];
            foreach (Value value in sources.Skip(1))
                KeepTarget(value);
            return [.. stack[..^pops], sources is [var first, ..] ? first with { Type = result } : new(result)];
        }
        if (code == OpCodes.Dup)
            return [.. stack, stack[^1]];
        int popped = code.StackBehaviourPop switch
        {
            StackBehaviour.Pop0 => 0,
            StackBehaviour.Pop1 or StackBehaviour.Popi or StackBehaviour.Popref => 1,
            StackBehaviour.Pop1_pop1 or StackBehaviour.Popi_pop1 or StackBehaviour.Popi_popi or StackBehaviour.Popi_popi8 or StackBehaviour.Popi_popr4
                or StackBehaviour.Popi_popr8 or StackBehaviour.Popref_pop1 or StackBehaviour.Popref_popi => 2,
            StackBehaviour.Varpop => stack.Length,
            StackBehaviour.Popi_popi_popi or StackBehaviour.Popref_popi_popi or StackBehaviour.Popref_popi_popi8 or StackBehaviour.Popref_popi_popr4
                or StackBehaviour.Popref_popi_popr8 or StackBehaviour.Popref_popi_popref or StackBehaviour.Popref_popi_pop1 => 3,
            _ => throw new NotSupportedException($"{op.Where}: {code.Name} is not supported in a kernel."),
        };
        Value[] rest = stack[..^popped];
        Value operand = popped > 0 ? stack[^popped] : default;
        return code.StackBehaviourPush switch
        {
            StackBehaviour.Push0 => rest,
            _ when code == OpCodes.Ldflda => [.. rest, operand with { Type = ((FieldInfo)op.Operand!).FieldType.MakeByRefType() }],
            _ when code == OpCodes.Ldsflda => [.. rest, new(((FieldInfo)op.Operand!).FieldType.MakeByRefType())],
            _ when code.Name is "conv.i" or "conv.u" or "ldind.i" or "ldlen" => [.. rest, operand with { Type = typeof(nint) }],
            StackBehaviour.Pushi => [.. rest, new(typeof(int))],
            StackBehaviour.Pushi8 => [.. rest, new(typeof(long))],
            StackBehaviour.Pushr4 => [.. rest, new(typeof(float))],
            StackBehaviour.Pushr8 => [.. rest, new(typeof(double))],
            StackBehaviour.Pushref => [.. rest, new(typeof(object))],
            _ when op.Operand is FieldInfo field => [.. rest, new(field.FieldType)],
            _ when op.Operand is Type type => [.. rest, new(type)],
            _ when popped == 2 => [.. rest, Arithmetic(stack[^2], stack[^1])],
            _ => [.. rest, operand],
        };
    }

    static Value Arithmetic(Value a, Value b) =>
        a.Type.IsByRef && b.Type.IsByRef ? new(typeof(nint)) : b.Source != null || b.Type.IsByRef || b.Type == typeof(nint) && !a.Type.IsByRef ? b : a;

    // ---- What a thread needs after a wait ----

    /// <summary>Finds for each wait the variables that are needed after it, and those whose value the frame has already.</summary>
    void Liveness()
    {
        List<(int Start, int End)> blocks = [];
        Dictionary<Op, int> blockOf = [];
        for (int i = 0, start = 0; i < ops.Count; i++)
        {
            if (i + 1 < ops.Count && !ops[i + 1].IsTarget && ops[i].Targets.Length == 0 && !ops[i].EndsFlow)
                continue;
            blockOf[ops[start]] = blocks.Count;
            blocks.Add((start, i + 1));
            start = i + 1;
        }
        int[][] successors = blocks.Select((b, n) =>
        {
            Op last = ops[b.End - 1];
            IEnumerable<int> next = last.Targets.Select(t => blockOf[t]);
            return (last.EndsFlow ? next : next.Append(n + 1)).ToArray();
        }).ToArray();

        // Backwards: needed is what is loaded before it is stored. An address taken counts as a load.
        BitArray[] live = blocks.Select(_ => new BitArray(variables.Count)).ToArray();
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = blocks.Count - 1; b >= 0; b--)
            {
                BitArray now = new(variables.Count);
                foreach (int s in successors[b])
                    now.Or(live[s]);
                for (int i = blocks[b].End - 1; i >= blocks[b].Start; i--)
                {
                    Op op = ops[i];
                    if (op.Kind == Kind.Wait)
                        op.Live = new(now);
                    else if (op.Kind != Kind.Plain)
                        now[op.Variable.Index] = op.Kind != Kind.Store;
                }
                if (Same(now, live[b]))
                    continue;
                live[b] = now;
                changed = true;
            }
        }

        // Forwards: the frame has the value of all that was needed at the wait before, until it is stored or its address taken.
        BitArray[] clean = blocks.Select((_, b) => new BitArray(variables.Count, b > 0)).ToArray();
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int b = 0; b < blocks.Count; b++)
            {
                BitArray now = new(clean[b]);
                for (int i = blocks[b].Start; i < blocks[b].End; i++)
                {
                    Op op = ops[i];
                    if (op.Kind == Kind.Wait)
                    {
                        op.Clean = now;
                        now = new(op.Live!);
                    }
                    else if (op.Kind is Kind.Store or Kind.Address)
                    {
                        now[op.Variable.Index] = false;
                    }
                }
                foreach (int s in successors[b])
                {
                    BitArray met = new BitArray(clean[s]).And(now);
                    if (Same(met, clean[s]))
                        continue;
                    clean[s] = met;
                    changed = true;
                }
            }
        }

        static bool Same(BitArray a, BitArray b) => !new BitArray(a).Xor(b).HasAnySet();
    }

    /// <summary>Variables that a thread still points at after a wait stay in the frame; others that it needs get a place there.</summary>
    void KeepInFrame()
    {
        HashSet<Variable> visited = [];
        foreach (Op op in ops.Where(op => op.Kind == Kind.Wait))
        {
            foreach (Variable variable in variables.Where(v => op.Live![v.Index] && v.IsPointer))
                Follow(variable);
            foreach (Value value in op.Stack!)
                KeepTarget(value);
        }
        foreach (Variable pointer in kept)
            Follow(pointer);
        foreach (Op op in ops.Where(op => op.Kind == Kind.Wait))
            foreach (Variable variable in variables.Where(v => op.Live![v.Index]))
                Place(variable, op);
        foreach (Variable variable in variables.Where(v => v.InFrame))
            Place(variable, ops[0]);

        void Follow(Variable pointer)
        {
            if (!visited.Add(pointer))
                return;
            foreach ((Variable source, bool byAddress) in pointer.PointsTo)
            {
                if (byAddress)
                    source.InFrame = true;
                else
                    Follow(source);
            }
        }
    }

    void Place(Variable variable, Op op)
    {
        if (variable.Offset >= 0 || variable.IsKernel)
            return;
        Type type = Stored(variable.Type);
        if (!IsUnmanaged(type))
            throw new NotSupportedException($"{op.Where}: a value of type {type.Name} is needed after it, which a kernel cannot keep.");
        int bytes = RuntimeHelpers.SizeOf(type.TypeHandle);
        int alignment = bytes >= 16 ? 16 : 8;
        variable.Offset = (frameBytes + alignment - 1) / alignment * alignment;
        frameBytes = variable.Offset + bytes;
    }

    static bool IsUnmanaged(Type type) =>
        type.IsPrimitive || type.IsEnum || type.IsPointer
        || type.IsValueType && type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).All(f => IsUnmanaged(f.FieldType));

    // References are kept as addresses: all that a kernel can refer to is unmanaged memory.
    static Type Stored(Type type) => type.IsByRef || type.IsPointer ? typeof(nint) : type;
}
