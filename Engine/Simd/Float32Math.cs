namespace NeuralMemory.Simd;

/// <summary>The elementary functions of float32, written once for every width.</summary>
static unsafe class Float32Math
{
    public static V Exp<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, ExpLane>(x);
    public static V Log<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, LogLane>(x);
    public static V Tanh<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, TanhLane>(x);
    public static V Sigmoid<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, SigmoidLane>(x);
    public static V Softplus<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, SoftplusLane>(x);
    public static V Erf<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, ErfLane>(x);
    public static V Sin<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, SinLane>(x);
    public static V Cos<V>(V x) where V : struct, IFloat32Bits<V> => Map<V, CosLane>(x);

    /// <summary>x^y lane by lane in double precision.</summary>
    public static V Pow<V>(V x, V y) where V : struct, IFloat32Bits<V>
    {
        float* xs = stackalloc float[V.Count], ys = stackalloc float[V.Count];
        V.Store(xs, x);
        V.Store(ys, y);
        for (int i = 0; i < V.Count; i++) xs[i] = (float)Math.Pow(xs[i], ys[i]);
        return V.Load(xs);
    }

    interface ILane { static abstract double Apply(double x); }

    struct ExpLane : ILane { public static double Apply(double x) => Math.Exp(x); }
    struct LogLane : ILane { public static double Apply(double x) => Math.Log(x); }
    struct TanhLane : ILane { public static double Apply(double x) => Math.Tanh(x); }
    struct SigmoidLane : ILane { public static double Apply(double x) => 1 / (1 + Math.Exp(-x)); }
    struct SoftplusLane : ILane { public static double Apply(double x) => x > 40 ? x : x < -40 ? Math.Exp(x) : double.LogP1(Math.Exp(x)); }
    struct ErfLane : ILane { public static double Apply(double x) => Float64Math.Erf(x); }
    struct SinLane : ILane { public static double Apply(double x) => Math.Sin(x); }
    struct CosLane : ILane { public static double Apply(double x) => Math.Cos(x); }

    static V Map<V, F>(V x) where V : struct, IFloat32Bits<V> where F : struct, ILane
    {
        var lanes = stackalloc float[V.Count];
        V.Store(lanes, x);
        for (int i = 0; i < V.Count; i++) lanes[i] = (float)F.Apply(lanes[i]);
        return V.Load(lanes);
    }
}
