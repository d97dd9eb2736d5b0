using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using ILGPU;

namespace NeuralMemory.Emulation;

/// <summary>A stretch of a kernel: from the start, or from where the thread waited, to where it waits next.</summary>
/// <param name="site">0, or the <see cref="Site"/> at which the thread waited.</param>
/// <param name="frame">The thread's memory for what it keeps while it waits.</param>
/// <param name="kernel">The kernel's struct.</param>
/// <returns>The site at which the thread waits now; <see cref="Program.Ended"/> when it has ended.</returns>
delegate int Step(int site, nint frame, nint kernel);

/// <summary>What threads wait for at a site.</summary>
enum Wait
{
    /// <summary>The start: nothing.</summary>
    Start,

    /// <summary>The group, at a barrier.</summary>
    Group,

    /// <summary>The group, at a barrier that passes the value of one thread to all.</summary>
    GroupBroadcast,

    /// <summary>The group, at a barrier that counts the threads for which a condition holds.</summary>
    GroupCount,

    /// <summary>The warp, at a barrier.</summary>
    Warp,

    /// <summary>The warp, at a shuffle.</summary>
    Shuffle,
}

/// <summary>A place in a kernel where threads wait for each other.</summary>
/// <param name="Wait">For whom.</param>
/// <param name="Where">The call and the method it stands in, for reports.</param>
sealed record Site(Wait Wait, string Where)
{
    public bool OfWarp => Wait >= Wait.Warp;
}

/// <summary>A kernel that can stop wherever its threads wait for each other.</summary>
sealed class Program(Step step, int frameBytes, Site[] sites, Allocation[] shared, Allocation[] local)
{
    public const int Ended = -1;

    public Step Step => step;
    public int FrameBytes => frameBytes;
    public Site[] Sites => sites;

    /// <summary>Places that allocate shared memory, numbered as in the code.</summary>
    public Allocation[] Shared => shared;

    /// <summary>Places that allocate local memory, numbered as in the code.</summary>
    public Allocation[] Local => local;

    public bool HasWarpSites { get; } = sites.Any(s => s.OfWarp);

    /// <summary>Does it access, by address, anything that is not made of 4-byte words? Known of instrumented programs.</summary>
    public bool HasSmallAccesses { get; init; }

    /// <summary>Shared memory allocated so far, in bytes.</summary>
    public int SharedBytes;
}

/// <summary>
/// Rewrites a kernel's IL into a state machine, so that thousands of threads take turns on one: what has to wait returns, and is called again.
/// </summary>
/// <remarks>
/// Every method that waits or allocates, however deep, becomes a part of the one method that is emitted; calls of others stay calls.
/// A thread's variables are locals, which the JIT keeps in registers. Where it waits, those still needed (<see cref="Liveness"/>) are saved to
/// its frame, with what lies on the evaluation stack, and loaded when it goes on. Variables that are pointed at across a wait live in the frame
/// all the time. All that a kernel holds is unmanaged, so a frame is plain memory and references are addresses.
/// </remarks>
[RequiresUnreferencedCode("The emulator reads and rewrites the IL of kernels.")]
[RequiresDynamicCode("The emulator emits IL.")]
sealed class Rewriter
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

    /// <summary>Does a thread wait, or allocate memory, somewhere in the method or in what it calls?</summary>
    public static bool NeedsRewriting(MethodBase method) => WaitsOrAllocates(method);

    /// <summary>Rewrites a kernel, a static method whose argument is a struct.</summary>
    /// <param name="kernel">The method.</param>
    /// <param name="instrument">Report each access to memory to <see cref="SharedShadow"/>?</param>
    public static Program Rewrite(MethodInfo kernel, bool instrument) => new Rewriter(instrument).Run(kernel);

    Program Run(MethodInfo kernel)
    {
        var type = kernel.GetParameters()[0].ParameterType;
        var argument = New(type);
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

        var method = new DynamicMethod($"{kernel.Name}: {type.Name}", typeof(int), [typeof(int), typeof(nint), typeof(nint)], typeof(Rewriter).Module, skipVisibility: true)
        {
            InitLocals = false,
        };
        Emit(method.GetILGenerator(64 * 1024));
        return new(method.CreateDelegate<Step>(), (frameBytes + 63) / 64 * 64, [.. sites], [.. shared], [.. local]) { HasSmallAccesses = hasSmallAccesses };
    }

    // ---- One flat list of instructions ----

    Variable New(Type type)
    {
        var variable = new Variable(variables.Count, type);
        variables.Add(variable);
        return variable;
    }

    Op Add(Kind kind, OpCode code, object? operand, string where)
    {
        var op = new Op(kind, code, operand, where);
        ops.Add(op);
        return op;
    }

    /// <summary>Appends a method's instructions; the arguments are in variables, and the result stays on the evaluation stack.</summary>
    void Flatten(MethodBase method, Variable[] arguments)
    {
        if (inlining.Contains(method))
            throw new NotSupportedException($"{Names.Of(method)} calls itself, which a kernel cannot.");
        inlining.Push(method);
        var body = method.GetMethodBody()!;
        if (body.ExceptionHandlingClauses.Count > 0)
            throw new NotSupportedException($"{Names.Of(method)}: try, catch, finally, using and foreach over enumerators are not supported in a kernel that waits.");
        var locals = body.LocalVariables.Select(v => New(v.LocalType)).ToArray();
        var instructions = IL.Read(method);
        var targets = new Dictionary<int, Op>();
        foreach (var instruction in instructions)
            foreach (var target in instruction.Code.OperandType switch
            {
                OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget => [(int)instruction.Operand!],
                OperandType.InlineSwitch => (int[])instruction.Operand!,
                _ => [],
            })
                targets.TryAdd(target, new(Kind.Plain, OpCodes.Nop, null, "") { IsTarget = true });
        var end = new Op(Kind.Plain, OpCodes.Nop, null, "") { IsTarget = true };

        Type? constrained = null;
        foreach (var instruction in instructions)
        {
            if (targets.TryGetValue(instruction.Offset, out var label))
                ops.Add(label);
            var (code, operand) = (instruction.Code, instruction.Operand);
            var where = $"{Names.Of(method)}, IL_{instruction.Offset:x4}";
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
                case var name when code.OperandType is OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget:
                    Branch(LongForm(name!), [targets[(int)operand!]]);
                    break;
                case "leave" or "leave.s" or "calli" or "jmp" or "localloc" or "ldftn" or "ldvirtftn" or "cpblk" or "initblk":
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
        var target = constrained == null ? method : IL.Devirtualize(constrained, method);
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
        var arguments = method.GetParameters().Select(p => New(p.ParameterType)).ToList();
        for (var i = arguments.Count - 1; i >= 0; i--)
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
                r.AddCallOf(typeof(GroupMemory), m.Name == nameof(SharedMemory.GetDynamic) ? m.Name : m.ReturnType.IsByRef ? nameof(GroupMemory.SharedElement) : nameof(GroupMemory.Shared), m, where);
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
        var name = method.DeclaringType == typeof(Group) ? nameof(Group) + method.Name : method.Name;
        var offer = typeof(Exchange).GetMethods().Single(m => m.Name == name && m.GetParameters().Length == method.GetParameters().Length);
        Add(Kind.Plain, OpCodes.Call, method.IsGenericMethod ? offer.MakeGenericMethod(method.GetGenericArguments()) : offer, where);
        AddWait(wait, where);
        AddCallOf(typeof(Exchange), method.IsGenericMethod ? nameof(Exchange.Take) : "Take" + method.Name, method, where);
    }

    void AddCallOf([DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicMethods)] Type type, string name, MethodInfo instead, string where)
    {
        var method = type.GetMethod(name)!;
        Add(Kind.Plain, OpCodes.Call, instead.IsGenericMethod ? method.MakeGenericMethod(instead.GetGenericArguments()) : method, where);
    }

    static readonly Dictionary<MethodBase, bool> waitsOrAllocates = [];

    static bool WaitsOrAllocates(MethodBase method)
    {
        if (Intrinsic(method) != null)
            return true;
        if (IsForeign(method))
            return false;
        if (waitsOrAllocates.TryGetValue(method, out var known))
            return known;
        waitsOrAllocates[method] = false;
        Type? constrained = null;
        foreach (var instruction in IL.Read(method))
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

    // ---- The evaluation stack ----

    /// <summary>Finds the evaluation stack before each instruction that can be reached, and what pointers point at.</summary>
    void FollowStack()
    {
        var position = new Dictionary<Op, int>();
        for (var i = 0; i < ops.Count; i++)
            position[ops[i]] = i;
        var work = new Stack<(int, Value[])>([(0, [])]);
        while (work.TryPop(out var next))
        {
            var (i, stack) = next;
            for (; ; i++)
            {
                var op = ops[i];
                if (op.Stack != null)
                {
                    Merge(op.Stack, stack);
                    break;
                }
                op.Stack = stack;
                stack = After(op, stack);
                foreach (var target in op.Targets)
                    work.Push((position[target], stack));
                if (op.EndsFlow)
                    break;
            }
        }
    }

    void Merge(Value[] known, Value[] now)
    {
        for (var i = 0; i < known.Length; i++)
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
        var code = op.Code;
        if (op.Operand is MethodBase method)
        {
            var pops = method.GetParameters().Length + (method.IsStatic || code == OpCodes.Newobj ? 0 : 1);
            var result = code == OpCodes.Newobj ? method.DeclaringType! : method is MethodInfo info ? info.ReturnType : typeof(void);
            if (result == typeof(void))
                return stack[..^pops];
            // A reference that comes back points at what one of the arguments pointed at; a view's element is no variable.
            var sources = (result.IsByRef || result.IsPointer) && method.DeclaringType!.Namespace != nameof(ILGPU) ? stack[^pops..].Where(v => v.Source != null).ToArray() : [];
            foreach (var value in sources.Skip(1))
                KeepTarget(value);
            return [.. stack[..^pops], sources is [var first, ..] ? first with { Type = result } : new(result)];
        }
        if (code == OpCodes.Dup)
            return [.. stack, stack[^1]];
        var popped = code.StackBehaviourPop switch
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
        var rest = stack[..^popped];
        var operand = popped > 0 ? stack[^popped] : default;
        return code.StackBehaviourPush switch
        {
            StackBehaviour.Push0 => rest,
            _ when code == OpCodes.Ldflda => [.. rest, operand with { Type = ((FieldInfo)op.Operand!).FieldType.MakeByRefType() }],
            _ when code == OpCodes.Ldsflda => [.. rest, new(((FieldInfo)op.Operand!).FieldType.MakeByRefType())],
            _ when code == OpCodes.Conv_I || code == OpCodes.Conv_U || code == OpCodes.Ldind_I || code == OpCodes.Ldlen => [.. rest, operand with { Type = typeof(nint) }],
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
        var blocks = new List<(int Start, int End)>();
        var blockOf = new Dictionary<Op, int>();
        for (int i = 0, start = 0; i < ops.Count; i++)
        {
            if (i + 1 < ops.Count && !ops[i + 1].IsTarget && ops[i].Targets.Length == 0 && !ops[i].EndsFlow)
                continue;
            blockOf[ops[start]] = blocks.Count;
            blocks.Add((start, i + 1));
            start = i + 1;
        }
        var successors = blocks.Select((b, n) =>
        {
            var last = ops[b.End - 1];
            var next = last.Targets.Select(t => blockOf[t]);
            return (last.EndsFlow ? next : next.Append(n + 1)).ToArray();
        }).ToArray();

        // Backwards: needed is what is loaded before it is stored. An address taken counts as a load.
        var live = blocks.Select(_ => new BitArray(variables.Count)).ToArray();
        for (var changed = true; changed;)
        {
            changed = false;
            for (var b = blocks.Count - 1; b >= 0; b--)
            {
                var now = new BitArray(variables.Count);
                foreach (var s in successors[b])
                    now.Or(live[s]);
                for (var i = blocks[b].End - 1; i >= blocks[b].Start; i--)
                {
                    var op = ops[i];
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
        var clean = blocks.Select((_, b) => new BitArray(variables.Count, b > 0)).ToArray();
        for (var changed = true; changed;)
        {
            changed = false;
            for (var b = 0; b < blocks.Count; b++)
            {
                var now = new BitArray(clean[b]);
                for (var i = blocks[b].Start; i < blocks[b].End; i++)
                {
                    var op = ops[i];
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
                foreach (var s in successors[b])
                {
                    var met = new BitArray(clean[s]).And(now);
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
        var visited = new HashSet<Variable>();
        foreach (var op in ops.Where(op => op.Kind == Kind.Wait))
        {
            foreach (var variable in variables.Where(v => op.Live![v.Index] && v.IsPointer))
                Follow(variable);
            foreach (var value in op.Stack!)
                KeepTarget(value);
        }
        foreach (var pointer in kept)
            Follow(pointer);
        foreach (var op in ops.Where(op => op.Kind == Kind.Wait))
            foreach (var variable in variables.Where(v => op.Live![v.Index]))
                Place(variable, op);
        foreach (var variable in variables.Where(v => v.InFrame))
            Place(variable, ops[0]);

        void Follow(Variable pointer)
        {
            if (!visited.Add(pointer))
                return;
            foreach (var (source, byAddress) in pointer.PointsTo)
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
        var type = Stored(variable.Type);
        if (!IsUnmanaged(type))
            throw new NotSupportedException($"{op.Where}: a value of type {type.Name} is needed after it, which a kernel cannot keep.");
        var bytes = RuntimeHelpers.SizeOf(type.TypeHandle);
        var alignment = bytes >= 16 ? 16 : 8;
        variable.Offset = (frameBytes + alignment - 1) / alignment * alignment;
        frameBytes = variable.Offset + bytes;
    }

    static bool IsUnmanaged(Type type) =>
        type.IsPrimitive || type.IsEnum || type.IsPointer
        || type.IsValueType && type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).All(f => IsUnmanaged(f.FieldType));

    // References are kept as addresses: all that a kernel can refer to is unmanaged memory.
    static Type Stored(Type type) => type.IsByRef || type.IsPointer ? typeof(nint) : type;

    // ---- The method ----

    void Emit(ILGenerator il)
    {
        var resume = sites.Select(_ => il.DefineLabel()).ToArray();
        foreach (var op in ops.Where(op => op.IsTarget))
            op.Label = il.DefineLabel();
        il.Emit(OpCodes.Ldarg_0);
        il.Emit(OpCodes.Switch, resume);
        il.MarkLabel(resume[0]);
        foreach (var op in ops)
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
            var site = (int)op.Operand!;
            var spilled = op.Stack!.Select((value, depth) => Spill(depth, value.Type)).ToArray();
            foreach (var v in spilled)
                Place(v, op);
            foreach (var v in spilled.Reverse())
                il.Emit(OpCodes.Stloc, Local(v));
            foreach (var v in spilled)
                ToFrame(v);
            foreach (var v in variables.Where(v => v.Index < op.Live!.Count && op.Live[v.Index] && !v.InFrame && !op.Clean![v.Index]))
                ToFrame(v);
            il.Emit(OpCodes.Ldc_I4, site);
            il.Emit(OpCodes.Ret);
            il.MarkLabel(resume[site]);
            foreach (var v in variables.Where(v => v.Index < op.Live!.Count && op.Live[v.Index] && !v.InFrame))
            {
                FromFrame(v);
                il.Emit(OpCodes.Stloc, Local(v));
            }
            foreach (var v in spilled)
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
                case null when op.Code == OpCodes.Ret: il.Emit(OpCodes.Ldc_I4_M1); il.Emit(OpCodes.Ret); break;
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
            var stack = op.Stack!;
            var name = op.Code.Name!;
            var reads = name == "ldobj" || name.StartsWith("ldind") || name == "ldfld" && IsAddress(stack[^1]);
            var writes = name == "stobj" || name.StartsWith("stind") || name == "stfld";
            var clears = name == "initobj";
            if (!reads && !writes && !clears)
                return;
            var address = stack[writes ? ^2 : ^1];
            if (address is { Source: not null, ByAddress: true })
                return;
            var value = writes ? Spill(stack.Length - 1, stack[^1].Type) : null;
            if (value != null)
                il.Emit(OpCodes.Stloc, Local(value));
            il.Emit(OpCodes.Dup);
            if (op.Operand is FieldInfo field)
                il.Emit(OpCodes.Ldflda, field);
            il.Emit(OpCodes.Conv_U);
            var type = op.Operand switch { Type t => t, FieldInfo f => f.FieldType, _ => Indirect(name) };
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
        if (!spills.TryGetValue((depth, type), out var variable))
            spills[(depth, type)] = variable = New(type);
        return variable;
    }
}

/// <summary>Names of methods and types as they are written in C#.</summary>
static class Names
{
    public static string Of(MethodBase method) => $"{(method.DeclaringType is { } type ? Of(type) + "." : "")}{method.Name}";

    public static string Of(Type type)
    {
        if (type.IsByRef || type.IsPointer)
            return Of(type.GetElementType()!);
        var name = type.Name.Split('`')[0];
        return type.IsGenericType ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Of))}>" : name;
    }
}
