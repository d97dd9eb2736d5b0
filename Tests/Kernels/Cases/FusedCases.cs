namespace NeuralMemory.Tests.Kernels.Cases;

public class FusedCases : ICaseSource
{
    static readonly Shape flat = [-1];

    public IEnumerable<OperationCase> Cases =>
    [
        .. new[] { (1, 1, 1), (4, 1, 7), (5, 3, 16), (3, 6, 33), (0, 2, 3) }.Select(s => Lstm(s.Item1, s.Item2, s.Item3)),
        Lstm(5, 3, 7, reverse: true),
        Lstm(5, 6, 5, lengths: [5, 1, 3, 0, 4, 2]),
        Lstm(5, 6, 5, lengths: [2, 5, 3, 4, 1, 5], reverse: true),
        new("LstmScan of views", x => Join(LstmScan.Apply(x[0].Transpose(0, 1), x[1].T, x[2].Slice(1, 0, 9, 2), x[2].Slice(1, 1, 10, 2))),
            r => [r.Uniform([3, 4, 20]), r.Uniform([5, 20], -1, 1), r.Uniform([3, 10])]),
        new("LstmScan output alone", x => LstmScan.Apply(x[0], x[1], x[2], x[3]).Output, LstmInputs(4, 3, 6)),
        new("LstmScan cell alone", x => LstmScan.Apply(x[0], x[1], x[2], x[3]).Cell, LstmInputs(4, 3, 6)),
        .. new[] { (1, 1, 1), (5, 3, 7), (3, 6, 33), (0, 2, 3) }.SelectMany(s => Others(s.Item1, s.Item2, s.Item3)),
        .. Others(5, 3, 7, reverse: true),
        .. Others(5, 6, 5, [5, 1, 3, 0, 4, 2]),
        .. Others(5, 6, 5, [2, 5, 3, 4, 1, 5], reverse: true),

        Ntm("LSTM", 4, 1, new(5, 7, 3, 1, 1, 3, NtmController.Lstm)),
        Ntm("LSTM", 3, 3, new(6, 20, 5, 1, 1, 3, NtmController.Lstm)),
        Ntm("LSTM", 3, 6, new(17, 16, 4, 1, 1, 5, NtmController.Lstm)),
        Ntm("LSTM, several heads", 3, 3, new(5, 7, 3, 2, 3, 3, NtmController.Lstm)),
        Ntm("LSTM that only reads", 3, 2, new(5, 7, 3, 2, 0, 3, NtmController.Lstm)),
        Ntm("feed-forward", 4, 3, new(5, 7, 3, 1, 1, 1, NtmController.FeedForward)),
        Ntm("feed-forward, several heads", 3, 6, new(9, 20, 4, 2, 2, 5, NtmController.FeedForward)),
        Ntm("of one slot", 3, 1, new(3, 1, 2, 1, 1, 1, NtmController.Lstm)),
        Ntm("of shifts as wide as the memory", 3, 2, new(3, 5, 2, 1, 1, 5, NtmController.Lstm)),
        Ntm("of no steps", 0, 2, new(3, 5, 2, 1, 1, 3, NtmController.Lstm)),

        Mann(4, 1, new(5, 7, 3, 1)),
        Mann(3, 6, new(9, 20, 4, 2, Decay: .9)),
        Mann(3, 3, new(6, 16, 5, 3, KeyStrength: 2, WritesKey: true)),
        Mann(3, 2, new(3, 1, 2, 1)),
        Dnc("of one head", 4, 1, new(5, 7, 3, 1)),
        Dnc("of several heads", 3, 3, new(6, 20, 5, 3)),
        Dnc("of whole vectors", 3, 6, new(17, 16, 4, 2)),
        Dnc("without links", 4, 3, new(5, 7, 3, 2, Links: false)),
        Dnc("without free gates", 4, 3, new(5, 7, 3, 2, FreeGates: false)),
        Dnc("without either", 3, 2, new(5, 7, 3, 2, Links: false, FreeGates: false)),
        Dnc("of one slot", 3, 2, new(3, 1, 2, 1)),
        Dnc("of no steps", 0, 2, new(3, 5, 2, 1)),

        Alignment(1, 1, 1, 1, 1, 1),
        Alignment(4, 1, 5, 7, 6, 3),
        Alignment(3, 3, 7, 5, 17, 9),
        Alignment(3, 6, 16, 16, 16, 16, length: b => 16 - 3 * b),
        Alignment(3, 5, 6, 9, 5, 19, length: b => 5 - b),
        Alignment(2, 2, 19, 33, 3, 33),
        new("AlignmentScan of views",
            x => All(Align(x[0].Transpose(0, 1), x[1].Transpose(0, 1), x[2].Slice(2, 0, 6, 2), x[3].T, x[4].T, x[5].T, x[6].T, x[7].T, x[8].T, x[9].Slice(0, 1, 24, 2))),
            r => [r.Uniform([3, 2, 12]), r.Uniform([5, 2, 6]), r.Uniform([2, 5, 6]), r.Uniform([4, 2]), Tensor.From([1, 1, 1, 0, 1, 1, 0, 1, 0, 0], [5, 2]),
                r.Uniform([4, 3], -1, 1), r.Uniform([3, 1]), r.Uniform([6, 12], -1, 1), r.Uniform([4, 12], -1, 1), r.Uniform([24])]),
        new("AlignmentScan contexts alone", x => Align(x).Contexts, AlignmentInputs(3, 2, 5, 4, 6, 3, b => 5 - b)),
        new("AlignmentScan weights alone", x => Align(x).Weights, AlignmentInputs(3, 2, 5, 4, 6, 3, b => 5 - b)),
        new("AlignmentScan last state alone", x => Align(x).Last, AlignmentInputs(3, 2, 5, 4, 6, 3, b => 5 - b)),
    ];

    static Tensor Join((Tensor First, Tensor Second, Tensor Third) y) => Tensor.Concat(0, y.First.Reshape(flat), y.Second.Reshape(flat), y.Third.Reshape(flat));

    static Func<Philox, Tensor[]> LstmInputs(int time, int batch, int hidden) => r =>
        [r.Uniform([time, batch, 4 * hidden]), r.Uniform([4 * hidden, hidden], -1, 1), r.Uniform([batch, hidden]), r.Uniform([batch, hidden])];

    static OperationCase Lstm(int time, int batch, int hidden, int[]? lengths = null, bool reverse = false)
    {
        return new($"LstmScan [{time}, {batch}] of {hidden}{(lengths is null ? "" : ", packed")}{(reverse ? ", reverse" : "")}",
            x => Join(LstmScan.Apply(x[0], x[1], x[2], x[3], Packed(x, 4), reverse)), With(lengths, LstmInputs(time, batch, hidden)));
    }

    static IEnumerable<OperationCase> Others(int time, int batch, int hidden, int[]? lengths = null, bool reverse = false)
    {
        string what = $"[{time}, {batch}] of {hidden}{(lengths is null ? "" : ", packed")}{(reverse ? ", reverse" : "")}";
        yield return new($"RnnScan {what}", x =>
        {
            (Tensor y, Tensor h) = RnnScan.Apply(x[0], x[1], x[2], Packed(x, 3), reverse);
            return Tensor.Concat(0, y.Reshape(flat), h.Reshape(flat));
        }, With(lengths, r => [r.Uniform([time, batch, hidden]), r.Uniform([hidden, hidden], -1, 1), r.Uniform([batch, hidden])]));
        yield return new($"GruScan {what}", x =>
        {
            (Tensor y, Tensor h) = GruScan.Apply(x[0], x[1], x[2], x[3], Packed(x, 4), reverse);
            return Tensor.Concat(0, y.Reshape(flat), h.Reshape(flat));
        }, With(lengths, r => [r.Uniform([time, batch, 3 * hidden]), r.Uniform([3 * hidden, hidden], -1, 1), r.Uniform([3 * hidden]), r.Uniform([batch, hidden])]));
    }

    /// <summary>The inputs, and after them the lengths where there are any.</summary>
    static Func<Philox, Tensor[]> With(int[]? lengths, Func<Philox, Tensor[]> inputs) =>
        lengths is null ? inputs : r => [.. inputs(r), Tensor.From(lengths, [lengths.Length])];

    static Tensor? Packed(Tensor[] x, int at) => x.Length > at ? x[at] : null;

    /// <summary>The output and all of the final state that has a gradient.</summary>
    static OperationCase Mann(int time, int batch, MannSizes s) => new($"MannScan {s.Slots} x {s.Width}, {s.Heads} heads, [{time}, {batch}]{(s.WritesKey ? ", writing keys" : "")}", x =>
    {
        MannState start = new(x[4], Tensor.Zeros([batch, s.Slots], x[0].DType), x[5].Softmax(), x[6], x[7], x[8]);
        (Tensor y, MannState end) = MannScan.Apply(x[0], new(x[1], x[2], x[3]), start, s, out _, out _);
        return Tensor.Concat(0, y.Reshape(flat), end.Memory.Reshape(flat), end.ReadWeights.Reshape(flat), end.Reads.Reshape(flat), end.Hidden.Reshape(flat), end.Cell.Reshape(flat));
    },
    r =>
    [
        r.Uniform([time, batch, s.Gates]), r.Uniform([s.Gates, s.Reads + s.Hidden], -1, 1), r.Uniform([s.HeadParameters, s.Hidden], -1, 1), r.Uniform([s.HeadParameters]),
        r.Uniform([batch, s.Slots, s.Width]), r.Uniform([batch, s.Heads, s.Slots], -1, 1), r.Uniform([batch, s.Reads]), r.Uniform([batch, s.Hidden]), r.Uniform([batch, s.Hidden]),
    ]);

    /// <summary>The output and all of the final state.</summary>
    static OperationCase Ntm(string what, int time, int batch, NtmSizes s)
    {
        bool lstm = s.Controller == NtmController.Lstm;
        return new($"NtmScan {what}: {s.Slots} x {s.Width}, {s.ReadHeads} + {s.WriteHeads} heads, {s.Shifts} shifts, [{time}, {batch}]", x =>
        {
            NtmWeights weights = new(x[1], lstm ? x[2] : null, x[3], x[4]);
            (Tensor y, NtmState end) = NtmScan.Apply(x[0], weights, new(x[5], x[6].Softmax(), x[7], x[8], lstm ? x[9] : x[8]), s, out _);
            Tensor all = Tensor.Concat(0, y.Reshape(flat), end.Memory.Reshape(flat), end.Weightings.Reshape(flat), end.Reads.Reshape(flat));
            return lstm ? Tensor.Concat(0, all, end.Hidden.Reshape(flat), end.Cell.Reshape(flat)) : all;
        },
        r =>
        [
            r.Uniform([time, batch, s.Gates]), r.Uniform([s.Gates, s.Reads], -1, 1), r.Uniform([s.Gates, s.Hidden], -1, 1), r.Uniform([s.HeadParameters, s.Hidden], -1, 1),
            r.Uniform([s.HeadParameters]), r.Uniform([batch, s.Slots, s.Width]), r.Uniform([batch, s.Heads, s.Slots], -1, 1), r.Uniform([batch, s.Reads]),
            r.Uniform([batch, s.Hidden]), r.Uniform([batch, s.Hidden]),
        ]);
    }

    /// <summary>The output and all of the final state.</summary>
    static OperationCase Dnc(string what, int time, int batch, DncSizes s) => new(
        $"DncScan {what}: {s.Slots} x {s.Width}, {s.ReadHeads} heads, [{time}, {batch}]", x =>
        {
            DncState start = new(x[5], x[6].Sigmoid(), x[7].Softmax(), x[8].Softmax() * .5, x[9].Softmax(), x[10].Softmax(), x[11], x[12], x[13]);
            (Tensor y, DncState end) = DncScan.Apply(x[0], new(x[1], x[2], x[3], x[4]), start, s, out _);
            return Tensor.Concat(0, y.Reshape(flat), end.Memory.Reshape(flat), end.Usage.Reshape(flat), end.Precedence.Reshape(flat), end.Links.Reshape(flat),
                end.WriteWeighting.Reshape(flat), end.ReadWeightings.Reshape(flat), end.Reads.Reshape(flat), end.Hidden.Reshape(flat), end.Cell.Reshape(flat));
        },
        r =>
        [
            r.Uniform([time, batch, s.Gates]), r.Uniform([s.Gates, s.Reads], -1, 1), r.Uniform([s.Gates, s.Hidden], -1, 1), r.Uniform([s.InterfaceParameters, s.Hidden], -1, 1),
            r.Uniform([s.InterfaceParameters]), r.Uniform([batch, s.Slots, s.Width]), r.Uniform([batch, s.Slots]), r.Uniform([batch, s.LinkedSlots]),
            r.Uniform([batch, s.LinkedSlots, s.LinkedSlots]), r.Uniform([batch, s.Slots]), r.Uniform([batch, s.ReadHeads, s.Slots]), r.Uniform([batch, s.Reads]),
            r.Uniform([batch, s.Hidden]), r.Uniform([batch, s.Hidden]),
        ]);

    static (Tensor States, Tensor Contexts, Tensor Weights, Tensor Last) Align(params ReadOnlySpan<Tensor> x) =>
        AlignmentScan.Apply(x[0], new(x[1], x[2], x[4], x[3]), new(x[5], x[6], x[7], x[8], x[9]));

    static Tensor All((Tensor States, Tensor Contexts, Tensor Weights, Tensor Last) y) =>
        Tensor.Concat(0, y.States.Reshape(flat), y.Contexts.Reshape(flat), y.Weights.Reshape(flat), y.Last.Reshape(flat));

    /// <summary>All that it gives, of sources that are seen up to a length, all of them without.</summary>
    static OperationCase Alignment(int time, int batch, int source, int hidden, int annotation, int alignment, Func<int, int>? length = null) => new(
        $"AlignmentScan [{batch}, {time}] of {hidden} at [{source}] of {annotation}, alignment {alignment}{(length is null ? "" : ", padded")}",
        x => All(Align(x)), AlignmentInputs(time, batch, source, hidden, annotation, alignment, length));

    static Func<Philox, Tensor[]> AlignmentInputs(int time, int batch, int source, int hidden, int annotation, int alignment, Func<int, int>? length) => r =>
    [
        r.Uniform([batch, time, 3 * hidden]), r.Uniform([batch, source, annotation]), r.Uniform([batch, source, alignment]), r.Uniform([batch, hidden]),
        Tensor.From([.. Enumerable.Range(0, batch * source).Select(i => length is null || i % source < length(i / source) ? 1 : 0)], [batch, source]),
        r.Uniform([alignment, hidden], -1, 1), r.Uniform([1, alignment]), r.Uniform([3 * hidden, annotation], -1, 1), r.Uniform([3 * hidden, hidden], -1, 1), r.Uniform([3 * hidden]),
    ];
}
