using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests.Engine.Optimizers;

/// <summary>One setting of an optimiser, and its equations for one number, in double and with nothing shared with the engine.</summary>
/// <param name="Name">The setting.</param>
/// <param name="Make">The optimiser.</param>
/// <param name="Rule">(w, g, state, t, eta, lambda) to w; the state is four numbers, zero at first.</param>
public sealed record OptimizerCase(
    string Name, Func<IReadOnlyList<Tensor>, Optimizer> Make, Func<double, double, double[], int, double, double, double> Rule)
{
    /// <summary>Weight decay of every setting whose name ends in "decay".</summary>
    public const double Decay = 0.1;

    public double WeightDecay => Name.EndsWith("decay") ? Decay : 0;

    public override string ToString() => Name;

    public static IEnumerable<OptimizerCase> All =>
    [
        new("Sgd", p => new Sgd(p, 0.05), (w, g, s, t, eta, lambda) => w - eta * g),
        new("Sgd dampened decay", p => new Sgd(p, 0.05, momentum: 0.9, dampening: 0.3, weightDecay: Decay), (w, g, s, t, eta, lambda) =>
        {
            g += lambda * w;
            s[0] = t == 1 ? g : 0.9 * s[0] + 0.7 * g;
            return w - eta * s[0];
        }),
        new("Sgd Nesterov", p => new Sgd(p, 0.05, momentum: 0.9, nesterov: true), (w, g, s, t, eta, lambda) =>
        {
            s[0] = 0.9 * s[0] + g;
            return w - eta * (g + 0.9 * s[0]);
        }),
        new("RmsProp decay", p => new RmsProp(p, 0.05, 0.8, weightDecay: Decay), (w, g, s, t, eta, lambda) =>
        {
            g += lambda * w;
            s[0] = 0.8 * s[0] + 0.2 * g * g;
            return w - eta * g / (Math.Sqrt(s[0]) + 1e-8);
        }),
        new("RmsProp centred momentum", p => new RmsProp(p, 0.05, 0.8, 1e-3, momentum: 0.9, centered: true), (w, g, s, t, eta, lambda) =>
        {
            s[0] = 0.8 * s[0] + 0.2 * g * g;
            s[1] = 0.8 * s[1] + 0.2 * g;
            s[2] = 0.9 * s[2] + g / (Math.Sqrt(Math.Max(0, s[0] - s[1] * s[1])) + 1e-3);
            return w - eta * s[2];
        }),
        new("Adam", p => new Adam(p, 0.05, 0.8, 0.95), AdamRule(amsGrad: false)),
        new("Adam AMSGrad decay", p => new Adam(p, 0.05, 0.8, 0.95, weightDecay: Decay, amsGrad: true),
            (w, g, s, t, eta, lambda) => AdamRule(amsGrad: true)(w, g + lambda * w, s, t, eta, 0)),
        new("AdamW decay", p => new AdamW(p, 0.05, 0.8, 0.95, weightDecay: Decay),
            (w, g, s, t, eta, lambda) => AdamRule(amsGrad: false)(w - eta * lambda * w, g, s, t, eta, 0)),
        new("Adagrad decay", p => new Adagrad(p, 0.05, 0.1, Decay, 0.5), (w, g, s, t, eta, lambda) =>
        {
            g += lambda * w;
            if (t == 1) s[0] = 0.5;
            s[0] += g * g;
            return w - eta / (1 + (t - 1) * 0.1) * g / (Math.Sqrt(s[0]) + 1e-10);
        }),
        new("Lion decay", p => new Lion(p, 0.05, 0.8, 0.95, Decay), (w, g, s, t, eta, lambda) =>
        {
            double c = 0.8 * s[0] + 0.2 * g;
            s[0] = 0.95 * s[0] + 0.05 * g;
            return w - eta * (Math.Sign(c) + lambda * w);
        }),
    ];

    static Func<double, double, double[], int, double, double, double> AdamRule(bool amsGrad) => (w, g, s, t, eta, lambda) =>
    {
        s[0] = 0.8 * s[0] + 0.2 * g;
        s[1] = 0.95 * s[1] + 0.05 * g * g;
        s[2] = amsGrad ? Math.Max(s[2], s[1]) : s[1];
        return w - eta * (s[0] / (1 - Math.Pow(0.8, t))) / (Math.Sqrt(s[2] / (1 - Math.Pow(0.95, t))) + 1e-8);
    };
}
