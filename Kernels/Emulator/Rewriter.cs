using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using ILGPU;

namespace NeuralMemory.Emulation;

/// <summary>
/// Rewrites a kernel's IL into a state machine, so that thousands of threads take turns on one: what has to wait returns, and is called again.
/// </summary>
/// <remarks>
/// Every method that waits or allocates, however deep, becomes a part of the one method that is emitted; calls of others stay calls.
/// A thread's variables are locals, which the JIT keeps in registers. Where it waits, those still needed (<see cref="Liveness"/>) are saved to
/// its frame, with what lies on the evaluation stack, and loaded when it goes on. Variables that are pointed at across a wait live in the frame
/// all the time. All that a kernel holds is unmanaged, so a frame is plain memory and references are addresses.
/// A kernel whose threads never wait becomes a loop over the threads of a group.
/// </remarks>
[RequiresUnreferencedCode("The emulator reads and rewrites the IL of kernels.")]
[RequiresDynamicCode("The emulator emits IL.")]
sealed partial class Rewriter
{
    /// <summary>A variable of the emitted method.</summary>
    sealed class Variable(int index, Type type)
    {
        public readonly int Index = index;
        public readonly Type Type = type;

        /// <summary>What this pointer may point at: variables by their address, or through another pointer.</summary>
        public readonly HashSet<(Variable Source, bool ByAddress)> PointsTo = [];

        /// <summary>In the frame all the time.</summary>
        public bool InFrame;

        /// <summary>The kernel's struct itself: not a variable of the thread.</summary>
        public bool IsKernel;

        public int Offset = -1;
        public LocalBuilder? Local;

        public bool IsPointer => Type.IsByRef || Type.IsPointer || Type == typeof(nint) || Type == typeof(nuint);
    }

    enum Kind
    {
        /// <summary>An IL instruction as it is.</summary>
        Plain,
        Load,
        Store,
        Address,
        Wait,
    }

    /// <summary>A value on the evaluation stack, and the variable that it points at or into, if any.</summary>
    readonly record struct Value(Type Type, Variable? Source = null, bool ByAddress = false);

    /// <summary>An instruction of the emitted method.</summary>
    sealed class Op(Kind kind, OpCode code, object? operand, string where)
    {
        public readonly Kind Kind = kind;
        public readonly OpCode Code = code;
        public readonly object? Operand = operand;
        public readonly string Where = where;
        public Op[] Targets = [];
        public bool IsTarget;
        public Label Label;

        /// <summary>The evaluation stack before it; null as long as nothing is known to lead here.</summary>
        public Value[]? Stack;

        /// <summary>At a wait: variables needed afterwards.</summary>
        public BitArray? Live;

        /// <summary>At a wait: variables of which the frame has the value already.</summary>
        public BitArray? Clean;

        public Variable Variable => (Variable)Operand!;
        public bool EndsFlow => Code.FlowControl is FlowControl.Branch or FlowControl.Return or FlowControl.Throw;
    }

    readonly bool instrument;
    readonly List<Op> ops = [];
    readonly List<Variable> variables = [];
    readonly List<Site> sites = [new(Wait.Start, "the start")];
    readonly List<Allocation> shared = [], local = [];
    readonly Stack<MethodBase> inlining = [];
    readonly Dictionary<(int, Type), Variable> spills = [];
    readonly HashSet<Variable> kept = [];
    int frameBytes;
    bool hasSmallAccesses;

    Rewriter(bool instrument) => this.instrument = instrument;

    /// <summary>Rewrites a kernel, a static method whose argument is a struct.</summary>
    /// <param name="kernel">The method.</param>
    /// <param name="instrument">Report each access to memory to <see cref="SharedShadow"/>?</param>
    public static Program Rewrite(MethodInfo kernel, bool instrument)
    {
        lock (Machine.Running)
        {
            if (!programs.TryGetValue((kernel, instrument), out Program? program))
                programs[(kernel, instrument)] = program = new Rewriter(instrument).Run(kernel);
            return program;
        }
    }

    static readonly Dictionary<(MethodInfo, bool), Program> programs = [];

    Program Run(MethodInfo kernel)
    {
        Type type = kernel.GetParameters()[0].ParameterType;
        Variable argument = New(type);
        if (type.IsDefined(typeof(IsReadOnlyAttribute)))
        {
            argument.InFrame = argument.IsKernel = true;
        }
        else
        {
            Add(Kind.Plain, OpCodes.Ldarg_2, null, "");
            Add(Kind.Plain, OpCodes.Ldobj, type, "");
            Add(Kind.Store, OpCodes.Stloc, argument, "");
        }
        Flatten(kernel, [argument]);
        Add(Kind.Plain, OpCodes.Ret, null, "");
        FollowStack();
        ops.RemoveAll(op => op.Stack == null);
        Liveness();
        KeepInFrame();

        DynamicMethod method = new($"{kernel.Name}: {type.Name}", typeof(int), [typeof(int), typeof(nint), typeof(nint)], typeof(Rewriter).Module, skipVisibility: true)
        {
            InitLocals = false,
        };
        Emit(method.GetILGenerator(64 * 1024));
        return new(method.CreateDelegate<Step>(), (frameBytes + 63) / 64 * 64, [.. sites], [.. shared], [.. local]) { HasSmallAccesses = hasSmallAccesses };
    }

    // ---- One flat list of instructions ----

    Variable New(Type type)
    {
        Variable variable = new(variables.Count, type);
        variables.Add(variable);
        return variable;
    }

    Op Add(Kind kind, OpCode code, object? operand, string where)
    {
        Op op = new(kind, code, operand, where);
        ops.Add(op);
        return op;
    }

    /// <summary>Appends a method's instructions; the arguments are in variables, and the result stays on the evaluation stack.</summary>
    void Flatten(MethodBase method, Variable[] arguments)
    {
        if (inlining.Contains(method))
            throw new NotSupportedException($"{Names.Of(method)} calls itself, which a kernel cannot.");
        inlining.Push(method);
        MethodBody body = method.GetMethodBody()!;
        if (body.ExceptionHandlingClauses.Count > 0)
            throw new NotSupportedException($"{Names.Of(method)}: try, catch, finally, using and foreach over enumerators are not supported in a kernel that waits.");
        Variable[] locals = body.LocalVariables.Select(v => New(v.LocalType)).ToArray();
        List<Instruction> instructions = IL.Read(method);
        Dictionary<int, Op> targets = [];
        foreach (Instruction instruction in instructions)
            foreach (int target in instruction.Code.OperandType switch
            {
                OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget => [(int)instruction.Operand!],
                OperandType.InlineSwitch => (int[])instruction.Operand!,
                _ => [],
            })
                targets.TryAdd(target, new(Kind.Plain, OpCodes.Nop, null, "") { IsTarget = true });
        Op end = new(Kind.Plain, OpCodes.Nop, null, "") { IsTarget = true };

        Type? constrained = null;
        foreach (Instruction instruction in instructions)
        {
            if (targets.TryGetValue(instruction.Offset, out Op? label))
                ops.Add(label);
            (OpCode code, object? operand) = (instruction.Code, instruction.Operand);
            string where = $"{Names.Of(method)}, IL_{instruction.Offset:x4}";
            switch (code.Name)
            {
                case "nop" or "break" or "tail." or "readonly.": break;
                case "constrained.": constrained = (Type)operand!; break;
                case "ldarg.0" or "ldarg.1" or "ldarg.2" or "ldarg.3": Add(Kind.Load, OpCodes.Ldloc, arguments[code.Name[^1] - '0'], where); break;
                case "ldarg" or "ldarg.s": Add(Kind.Load, OpCodes.Ldloc, arguments[(int)operand!], where); break;
                case "ldarga" or "ldarga.s": Add(Kind.Address, OpCodes.Ldloca, arguments[(int)operand!], where); break;
                case "starg" or "starg.s": Add(Kind.Store, OpCodes.Stloc, arguments[(int)operand!], where); break;
                case "ldloc.0" or "ldloc.1" or "ldloc.2" or "ldloc.3": Add(Kind.Load, OpCodes.Ldloc, locals[code.Name[^1] - '0'], where); break;
                case "ldloc" or "ldloc.s": Add(Kind.Load, OpCodes.Ldloc, locals[(int)operand!], where); break;
                case "ldloca" or "ldloca.s": Add(Kind.Address, OpCodes.Ldloca, locals[(int)operand!], where); break;
                case "stloc.0" or "stloc.1" or "stloc.2" or "stloc.3": Add(Kind.Store, OpCodes.Stloc, locals[code.Name[^1] - '0'], where); break;
                case "stloc" or "stloc.s": Add(Kind.Store, OpCodes.Stloc, locals[(int)operand!], where); break;
                case "ldc.i4.s": Add(Kind.Plain, OpCodes.Ldc_I4, operand, where); break;
                case "ret": Branch(OpCodes.Br, [end]); break;
                case "switch": Branch(code, [.. ((int[])operand!).Select(t => targets[t])]); break;
                case "call" or "callvirt" or "newobj":
                    Call(code, (MethodBase)operand!, constrained, where);
                    constrained = null;
                    break;
                case string name when code.OperandType is OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget:
                    Branch(LongForm(name), [targets[(int)operand!]]);
                    break;
                case "calli" or "jmp" or "localloc" or "ldftn" or "ldvirtftn" or "cpblk" or "initblk":
                    throw new NotSupportedException($"{where}: {code.Name} is not supported in a kernel.");
                default: Add(Kind.Plain, code, operand, where); break;
            }

            void Branch(OpCode code, Op[] to) => Add(Kind.Plain, code, null, where).Targets = to;
        }
        ops.Add(end);
        inlining.Pop();
    }

    static OpCode LongForm(string branch) => branch.Split('.') switch
    {
        ["br", ..] => OpCodes.Br,
        ["brtrue", ..] => OpCodes.Brtrue,
        ["brfalse", ..] => OpCodes.Brfalse,
        ["beq", ..] => OpCodes.Beq,
        ["bge", "un", ..] => OpCodes.Bge_Un,
        ["bgt", "un", ..] => OpCodes.Bgt_Un,
        ["ble", "un", ..] => OpCodes.Ble_Un,
        ["blt", "un", ..] => OpCodes.Blt_Un,
        ["bne", "un", ..] => OpCodes.Bne_Un,
        ["bge", ..] => OpCodes.Bge,
        ["bgt", ..] => OpCodes.Bgt,
        ["ble", ..] => OpCodes.Ble,
        ["blt", ..] => OpCodes.Blt,
        _ => throw new NotSupportedException(branch),
    };

    void Call(OpCode code, MethodBase method, Type? constrained, string where)
    {
        MethodBase? target = constrained == null ? method : IL.Devirtualize(constrained, method);
        if (target == null || target.DeclaringType!.IsInterface && !WaitsOrAllocates(target))
        {
            Add(Kind.Plain, OpCodes.Constrained, constrained, where);
            Add(Kind.Plain, code, method, where);
        }
        else if (Intrinsic(target) is { } intrinsic)
        {
            intrinsic(this, (MethodInfo)target, $"{target.DeclaringType!.Name}.{target.Name} in {where}");
        }
        else if (WaitsOrAllocates(target) || instrument && TouchesMemory(target))
        {
            Inline(target, created: code == OpCodes.Newobj ? New(target.DeclaringType!) : null, where);
        }
        else
        {
            Add(Kind.Plain, constrained == null ? code : OpCodes.Call, target, where);
        }
    }

    void Inline(MethodBase method, Variable? created, string where)
    {
        List<Variable> arguments = method.GetParameters().Select(p => New(p.ParameterType)).ToList();
        for (int i = arguments.Count - 1; i >= 0; i--)
            Add(Kind.Store, OpCodes.Stloc, arguments[i], where);
        if (!method.IsStatic)
        {
            arguments.Insert(0, New(method.DeclaringType!.MakeByRefType()));
            if (created != null)
            {
                Add(Kind.Address, OpCodes.Ldloca, created, where);
                Add(Kind.Plain, OpCodes.Initobj, created.Type, where);
                Add(Kind.Address, OpCodes.Ldloca, created, where);
            }
            Add(Kind.Store, OpCodes.Stloc, arguments[0], where);
        }
        Flatten(method, [.. arguments]);
        if (created != null)
            Add(Kind.Load, OpCodes.Ldloc, created, where);
    }

    // ---- What is not an ordinary call ----

    static Action<Rewriter, MethodInfo, string>? Intrinsic(MethodBase method)
    {
        if (method.DeclaringType == typeof(Group))
        {
            return method.Name switch
            {
                nameof(Group.Barrier) => (r, _, where) => r.AddWait(Wait.Group, where),
                nameof(Group.Broadcast) => (r, m, where) => r.AddExchange(Wait.GroupBroadcast, m, where),
                nameof(Group.BarrierPopCount) or nameof(Group.BarrierAnd) or nameof(Group.BarrierOr) => (r, m, where) => r.AddExchange(Wait.GroupCount, m, where),
                _ => null,
            };
        }
        if (method.DeclaringType == typeof(Warp))
        {
            return method.Name switch
            {
                nameof(Warp.Barrier) => (r, _, where) => r.AddWait(Wait.Warp, where),
                nameof(Warp.Broadcast) or nameof(Warp.Shuffle) or nameof(Warp.ShuffleDown) or nameof(Warp.ShuffleUp) or nameof(Warp.ShuffleXor) =>
                    (r, m, where) => r.AddExchange(Wait.Shuffle, m, where),
                _ => null,
            };
        }
        if (method.DeclaringType == typeof(SharedMemory))
        {
            return (r, m, where) =>
            {
                r.Add(Kind.Plain, OpCodes.Ldc_I4, r.shared.Count, where);
                r.shared.Add(new(where));
                string name = m.ReturnType.IsByRef ? nameof(GroupMemory.SharedElement) : nameof(GroupMemory.Shared);
                r.AddCallOf(typeof(GroupMemory), m.Name == nameof(SharedMemory.GetDynamic) ? m.Name : name, m, where);
            };
        }
        if (method.DeclaringType == typeof(LocalMemory))
        {
            return (r, m, where) =>
            {
                r.Add(Kind.Plain, OpCodes.Ldc_I4, r.local.Count, where);
                r.local.Add(new(where));
                r.AddCallOf(typeof(GroupMemory), nameof(GroupMemory.Local), m, where);
            };
        }
        return null;
    }

    void AddWait(Wait wait, string where)
    {
        Add(Kind.Wait, OpCodes.Nop, sites.Count, where);
        sites.Add(new(wait, where));
    }

    // The value and where to find another's are offered, all threads wait, each takes what it asked for.
    void AddExchange(Wait wait, MethodInfo method, string where)
    {
        string name = method.DeclaringType == typeof(Group) ? nameof(Group) + method.Name : method.Name;
        MethodInfo offer = typeof(Exchange).GetMethods().Single(m => m.Name == name && m.GetParameters().Length == method.GetParameters().Length);
        Add(Kind.Plain, OpCodes.Call, method.IsGenericMethod ? offer.MakeGenericMethod(method.GetGenericArguments()) : offer, where);
        AddWait(wait, where);
        AddCallOf(typeof(Exchange), method.IsGenericMethod ? nameof(Exchange.Take) : "Take" + method.Name, method, where);
    }

    void AddCallOf([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicMethods)] Type type, string name, MethodInfo instead, string where)
    {
        MethodInfo method = type.GetMethod(name)!;
        Add(Kind.Plain, OpCodes.Call, instead.IsGenericMethod ? method.MakeGenericMethod(instead.GetGenericArguments()) : method, where);
    }

    static readonly Dictionary<MethodBase, bool> waitsOrAllocates = [];

    // Does a thread wait, or allocate memory, somewhere in the method or in what it calls?
    static bool WaitsOrAllocates(MethodBase method)
    {
        if (Intrinsic(method) != null)
            return true;
        if (IsForeign(method))
            return false;
        if (waitsOrAllocates.TryGetValue(method, out bool known))
            return known;
        waitsOrAllocates[method] = false;
        Type? constrained = null;
        foreach (Instruction instruction in IL.Read(method))
        {
            if (instruction.Code == OpCodes.Constrained)
                constrained = (Type)instruction.Operand!;
            if (instruction.Operand is not MethodBase called)
                continue;
            if ((constrained == null ? called : IL.Devirtualize(constrained, called)) is { } target && WaitsOrAllocates(target))
                return waitsOrAllocates[method] = true;
            constrained = null;
        }
        return false;
    }

    // The framework's methods and the emulator's own: they neither wait nor touch shared memory but by the intrinsics.
    static bool IsForeign(MethodBase method) =>
        method.DeclaringType?.Namespace is not { } space || space.StartsWith("System") || space.StartsWith("ILGPU") || space == typeof(Rewriter).Namespace
        || method.GetMethodBody() == null;

    static bool TouchesMemory(MethodBase method) =>
        !IsForeign(method) && method.GetMethodBody()!.ExceptionHandlingClauses.Count == 0
        && (!method.IsStatic && !method.IsConstructor || method.GetParameters().Any(p => HoldsAddress(p.ParameterType)));

    static bool HoldsAddress(Type type) =>
        type.IsByRef || type.IsPointer
        || type is { IsValueType: true, IsPrimitive: false, IsEnum: false }
            && type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).Any(f => HoldsAddress(f.FieldType));
}
