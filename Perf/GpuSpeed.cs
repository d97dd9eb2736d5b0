using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NeuralMemory.Layers;
using NeuralMemory.Models;
using NeuralMemory.Optimizers;
using NeuralMemory.Tasks;

namespace NeuralMemory.Perf;

/// <summary>A GPU's kernels at shapes that networks have, each checked against the CPU before it is timed. On the emulator shapes are tiny and nothing is timed.</summary>
static class GpuSpeed
{
    /// <summary>What one call computes, and what it is worth.</summary>
    /// <param name="Name">The kernel.</param>
    /// <param name="Shape">Its shape.</param>
    /// <param name="From">Where the shape comes from.</param>
    /// <param name="Flops">Floating-point operations of a call; 0 where memory is what counts.</param>
    /// <param name="Bytes">Bytes that a call must read and write.</param>
    /// <param name="Tolerance">How far a result may be from the CPU's, relative to the largest of its tensor.</param>
    /// <param name="Make">Makes the inputs on the current device, the same each time, and what computes with them.</param>
    sealed record Case(string Name, string Shape, string From, double Flops, double Bytes, double Tolerance, Func<Work> Make)
    {
        /// <summary>The precision of products that it asks for.</summary>
        public MatMulPrecision Precision { get; init; }

        /// <summary>m, k and n of a product that cuBLAS can do as well.</summary>
        public (int M, int K, int N)? Product { get; init; }
    }

    /// <param name="Run">One call.</param>
    /// <param name="Results">One call, and its results.</param>
    readonly record struct Work(Action Run, Func<float[][]> Results);

    public static void Run(string deviceName, bool json, string? only)
    {
        using GpuBackend gpu = Devices.Open(deviceName) as GpuBackend ?? throw new DeviceException($"{deviceName} is no GPU: cuda:N, opencl:N or emulator was expected.");
        bool timed = deviceName != "emulator";
        double copyRate = timed ? CopyRate(gpu) : double.NaN;
        (double flops, double bandwidth) = (gpu.PeakFlops, gpu.PeakBandwidth);
        if (!json)
        {
            Console.WriteLine($"{gpu.Name}: {gpu.Description}, .NET {Environment.Version}");
            if (timed) Console.WriteLine($"Its own copy: {copyRate / 1e9:n0} GB/s; peak: {flops / 1e12:n1} TFLOP/s in float32, {bandwidth / 1e9:n0} GB/s.");
            Console.WriteLine();
            Console.WriteLine("| kernel | shape | from | error | ms | GFLOP/s | GB/s | of peak | of the copy | of cuBLAS |");
            Console.WriteLine("|---|---|---|---:|---:|---:|---:|---:|---:|---:|");
        }
        string[] wanted = only?.Split(',') ?? [];
        foreach (Case c in Cases(tiny: !timed))
        {
            if (wanted.Length > 0 && !wanted.Any(w => c.Name.StartsWith(w, StringComparison.OrdinalIgnoreCase))) continue;
            if (c.Precision != MatMulPrecision.Float32 && !Supports(gpu, c.Precision)) continue;
            gpu.MatMulPrecision = c.Precision;
            double error = Check(gpu, c);
            double? seconds = timed ? Time(gpu, c) : null, blas = timed && c.Product is { } p ? CuBlas.Time(gpu, p.M, p.K, p.N, c.Precision) : null;
            gpu.MatMulPrecision = MatMulPrecision.Float32;
            if (json) Console.WriteLine(Json(gpu, c, error, seconds, blas, copyRate));
            else Console.WriteLine(Row(c, error, seconds, blas, copyRate, flops, bandwidth));
        }
    }

    static bool Supports(GpuBackend gpu, MatMulPrecision precision)
    {
        try
        {
            gpu.MatMulPrecision = precision;
            return true;
        }
        catch (NotSupportedException)
        {
            return false;
        }
        catch (DeviceException)
        {
            return false;
        }
    }

    // ---- Cases ----

    static IEnumerable<Case> Cases(bool tiny)
    {
        int[] squares = tiny ? [70] : [2048, 4096, 8192];
        foreach (MatMulPrecision precision in Enum.GetValues<MatMulPrecision>())
            foreach (int n in squares) yield return MatMul(n, n, n, "square", precision);
        if (!tiny)
        {
            yield return MatMul(768, 65, 512, "LSTM input, 64 x 12");
            yield return MatMul(1, 120, 400, "NTM controller");
            yield return MatMul(8192, 1024, 4096, "feed-forward of a Transformer, d1024, 8 x 1024");
        }

        int elements = tiny ? 1000 : 64 << 20;
        foreach ((string name, int passes, Func<Tensor[], Tensor> f) in ((string, int, Func<Tensor[], Tensor>)[])
            [("Add", 3, x => x[0] + x[1]), ("Tanh", 2, x => x[0].Tanh()), ("Gelu", 2, x => x[0].Gelu())])
            yield return new(name, $"{elements}", "element-wise", 0, 4.0 * passes * elements, 1e-5, () => Forward(f, [elements], [elements]));
        int width = tiny ? 37 : 1024, rows = elements / width;
        yield return new("Softmax", $"{rows} x {width}", "rows of attention", 0, 8.0 * rows * width, 1e-5, () => Forward(x => x[0].Softmax(), [rows, width]));
        yield return new("LayerNorm", $"{rows} x {width}", "a Transformer's block", 0, 8.0 * rows * width, 1e-4, () => Forward(x => x[0].LayerNorm(x[1], x[2]), [rows, width], [width], [width]));
        yield return new("Sum", $"{rows} x {width}", "a bias gradient", 0, 4.0 * rows * width, 1e-4, () => Forward(x => x[0].Sum(0), [rows, width]));

        foreach (bool causal in (bool[])[false, true])
            foreach ((int heads, int length) in tiny ? [(2, 70)] : ((int, int)[])[(8, 1024), (8, 4096)])
            {
                double pairs = heads * (causal ? length * (length + 1.0) / 2 : (double)length * length);
                string shape = $"1 x {heads} x {length} x 64{(causal ? ", causal" : "")}";
                Tensor Attend(Tensor[] x) => x[0].ScaledDotProductAttention(x[1], x[2], causal: causal);
                yield return new("Attention", shape, "GPT", 4 * 64 * pairs, 16.0 * heads * length * 64, 1e-4, () => Forward(Attend, [1, heads, length, 64], [1, heads, length, 64], [1, heads, length, 64]));
                yield return new("Attention and gradients", shape, "GPT", 18 * 64 * pairs, 40.0 * heads * length * 64, 1e-3,
                    () => ForwardAndBackward(Attend, [1, heads, length, 64], [1, heads, length, 64], [1, heads, length, 64]));
            }

        (int time, int batch, int hidden) = tiny ? (3, 2, 20) : (64, 32, 256);
        yield return new("LstmScan and gradients", $"{time} x {batch} x {hidden}", "characters", 6.0 * time * batch * 4 * hidden * hidden, 0, 1e-3, () => ForwardAndBackward(
            x => LstmScan.Apply(x[0], x[1] * 0.1, x[2], x[3]).Output, [time, batch, 4 * hidden], [4 * hidden, hidden], [batch, hidden], [batch, hidden]));
        foreach (int sequences in tiny ? [2] : (int[])[1, 32, 128])
        {
            int vectors = tiny ? 2 : 20;
            yield return new("NTM copy, training step", $"batch {sequences}, {vectors} vectors", "Graves et al. 2014", 0, 0, 1e-3, () => NtmStep(sequences, vectors));
        }
        int weights = tiny ? 5000 : 16 << 20;
        yield return new("AdamW", $"{weights}", "16M weights", 0, 28.0 * weights, 1e-5, () => AdamWStep(weights));
    }

    static Case MatMul(int m, int k, int n, string from, MatMulPrecision precision = MatMulPrecision.Float32) => new(
        precision == MatMulPrecision.Float32 ? "MatMul" : $"MatMul, {precision}", $"{m} x {k} x {n}", from, 2.0 * m * k * n, 4.0 * ((double)m * k + (double)k * n + (double)m * n),
        precision switch { MatMulPrecision.Float32 => 1e-5, MatMulPrecision.TensorFloat32 => 2e-3, _ => 2e-2 }, () => Forward(x => x[0].MatMul(x[1]), [m, k], [k, n]))
    {
        Precision = precision,
        Product = (m, k, n),
    };

    static Tensor[] Draw(Shape[] shapes)
    {
        Philox random = new(1);
        return [.. shapes.Select(shape =>
        {
            float[] values = new float[shape.Count];
            foreach (ref float value in values.AsSpan()) value = 2 * random.NextSingle() - 1;
            Tensor tensor = Tensor.Persistent(shape);
            tensor.CopyFrom<float>(values);
            return tensor;
        })];
    }

    static Work Forward(Func<Tensor[], Tensor> f, params Shape[] shapes)
    {
        Tensor[] inputs = Draw(shapes);
        return new(
            () =>
            {
                using (Tape.Step()) f(inputs);
            },
            () =>
            {
                using (Tape.Step()) return [f(inputs).ToArray()];
            });
    }

    static Work ForwardAndBackward(Func<Tensor[], Tensor> f, params Shape[] shapes)
    {
        Tensor[] inputs = Draw(shapes);
        foreach (Tensor input in inputs) input.RequireGradient();
        float[][] Step(bool read)
        {
            foreach (Tensor input in inputs) input.ZeroGradient();
            using (Tape.Step())
            {
                Tensor y = f(inputs);
                y.Backward(Tensor.Full(y.Shape, 0.5));
                return read ? [y.ToArray(), .. inputs.Select(x => x.Gradient.ToArray())] : [];
            }
        }
        return new(() => Step(false), () => Step(true));
    }

    static Work NtmStep(int batch, int vectors)
    {
        CopyTask task = new(1, vectors);
        Ntm ntm = new(task.InputWidth, task.OutputWidth, Ntm.PaperSizes, new Philox(1));
        RmsProp optimizer = new(ntm.Parameters, 1e-4, 0.95, 1e-6, momentum: 0.9);
        Philox episodes = new(1, 1);
        float[][] Step(bool read)
        {
            using (Tape.Step())
            {
                Episode episode = task.Next(episodes, batch, vectors);
                Tensor loss = episode.Output(ntm.Forward(episode.Inputs)).BinaryCrossEntropyWithLogits(episode.Output(episode.Targets));
                optimizer.ZeroGradient();
                loss.Backward();
                Gradients.Clip(ntm.Parameters, 10, null);
                float[][] results = read ? [[(float)loss.Item()], .. ntm.Parameters.Select(p => p.Gradient.ToArray())] : [];
                optimizer.Step();
                return results;
            }
        }
        return new(() => Step(false), () => Step(true));
    }

    static Work AdamWStep(int count)
    {
        Tensor[] tensors = Draw([[count], [count]]);
        Tensor weights = tensors[0].RequireGradient();
        weights.Backward(tensors[1]);
        AdamW optimizer = new([weights]);
        return new(() => optimizer.Step(), () =>
        {
            optimizer.Step();
            return [weights.ToArray()];
        });
    }

    // ---- Checking and timing ----

    /// <summary>The largest difference from the CPU, relative to the largest element of its tensor.</summary>
    static double Check(GpuBackend gpu, Case c)
    {
        float[][] expected = c.Make().Results(), actual;
        using (Backend.Use(gpu)) actual = c.Make().Results();
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            double largest = expected[i].Max(Math.Abs), difference = 0;
            for (int j = 0; j < expected[i].Length; j++) difference = Math.Max(difference, Math.Abs((double)actual[i][j] - expected[i][j]));
            worst = double.IsNaN(difference) ? double.NaN : Math.Max(worst, difference / Math.Max(largest, 1e-30));
        }
        if (!(worst <= c.Tolerance)) throw new InvalidOperationException($"{c.Name} {c.Shape}: {worst:g3} of the largest element off the CPU's result, at most {c.Tolerance:g3} was expected; nothing is timed.");
        return worst;
    }

    /// <summary>The median seconds of a call: after a warm-up, at least half a second and five runs, each of calls enough for five milliseconds.</summary>
    static double Time(GpuBackend gpu, Case c)
    {
        using Tape.Scope device = Backend.Use(gpu);
        return Time(gpu, c.Make().Run);
    }

    internal static double Time(GpuBackend gpu, Action run)
    {
        for (int i = 0; i < 3; i++) run();
        gpu.Synchronize();
        long start = Stopwatch.GetTimestamp();
        run();
        gpu.Synchronize();
        int calls = Math.Clamp((int)(.005 / Stopwatch.GetElapsedTime(start).TotalSeconds), 1, 1000);
        List<double> seconds = [];
        Stopwatch all = Stopwatch.StartNew();
        while (seconds.Count < 5 || all.Elapsed.TotalSeconds < .5)
        {
            start = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++) run();
            gpu.Synchronize();
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / calls);
        }
        seconds.Sort();
        return seconds[seconds.Count / 2];
    }

    /// <summary>Bytes a second, read and written, of a copy of 64M floats.</summary>
    static double CopyRate(GpuBackend gpu)
    {
        const int count = 64 << 20;
        using Tape.Scope device = Backend.Use(gpu);
        Tensor from = Tensor.Persistent([count]), to = Tensor.Persistent([count]);
        return 8.0 * count / Time(gpu, () => gpu.CopyWithin(from, to));
    }

    // ---- Output ----

    static string Row(Case c, double error, double? seconds, double? blas, double copyRate, double flops, double bandwidth)
    {
        string Cell(double? value, string format) => value is { } v && double.IsFinite(v) ? v.ToString(format, CultureInfo.InvariantCulture) : "-";
        double? rate = seconds is { } s ? s : null;
        double? peak = rate is null ? null : c.Flops > 0 ? c.Precision == MatMulPrecision.Float32 ? c.Flops / rate / flops : null : c.Bytes / rate / bandwidth;
        return $"| {c.Name} | {c.Shape} | {c.From} | {Cell(error, "0.0e+0")} | {Cell(1e3 * rate, "0.###")} | {Cell(c.Flops > 0 ? c.Flops / rate / 1e9 : null, "0")} | {Cell(c.Bytes > 0 ? c.Bytes / rate / 1e9 : null, "0")} | "
            + $"{Cell(peak, "0.00")} | {Cell(c.Flops > 0 || c.Bytes == 0 ? null : c.Bytes / rate / copyRate, "0.00")} | {Cell(blas / rate, "0.00")} |";
    }

    static string Json(GpuBackend gpu, Case c, double error, double? seconds, double? blas, double copyRate)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteString("suite", "gpu");
            json.WriteString("device", gpu.Name);
            json.WriteString("description", gpu.Description);
            json.WriteString("case", c.Name);
            json.WriteString("shape", c.Shape);
            json.WriteString("from", c.From);
            json.WriteNumber("error", error);
            if (seconds is { } s)
            {
                json.WriteNumber("seconds", s);
                if (c.Flops > 0) json.WriteNumber("gflops", c.Flops / s / 1e9);
                if (c.Bytes > 0) json.WriteNumber("gbytes", c.Bytes / s / 1e9);
                if (c.Flops == 0 && c.Bytes > 0) json.WriteNumber("of_copy", c.Bytes / s / copyRate);
                if (blas is { } b) json.WriteNumber("of_cublas", b / s);
            }
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(bytes.ToArray());
    }
}
