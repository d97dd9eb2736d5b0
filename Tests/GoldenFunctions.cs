using System.Text.Json;
using NeuralMemory.Optimizers;

namespace NeuralMemory.Tests;

using NeuralMemory.Layers;

/// <summary>How each golden case is computed here: one line a case, by the case's name in the file.</summary>
static class GoldenFunctions
{
    /// <summary>What modules draw their weights from before the file's take their place.</summary>
    static readonly Philox random = new(1);

    public static readonly Dictionary<string, Func<GoldenCase, GoldenOutput>> Operations = new()
    {
        // Element by element
        ["abs"] = g => g.Input(0).Abs(),
        ["add_broadcast"] = g => g.Input(0) + g.Input(1),
        ["cos"] = g => g.Input(0).Cos(),
        ["div_broadcast"] = g => g.Input(0) / g.Input(1),
        ["elu"] = g => g.Input(0).Elu(),
        ["erf"] = g => g.Input(0).Erf(),
        ["exp"] = g => g.Input(0).Exp(),
        ["gelu"] = g => g.Input(0).Gelu(),
        ["gelu_tanh"] = g => g.Input(0).GeluTanh(),
        ["lerp"] = g => g.Input(0).Lerp(g.Input(1), g.Input(2)),
        ["log"] = g => g.Input(0).Log(),
        ["log_sigmoid"] = g => g.Input(0).LogSigmoid(),
        ["maximum_broadcast"] = g => g.Input(0).Maximum(g.Input(1)),
        ["minimum_broadcast"] = g => g.Input(0).Minimum(g.Input(1)),
        ["mul_broadcast"] = g => g.Input(0) * g.Input(1),
        ["pow"] = g => g.Input(0).Pow(g.Input(1)),
        ["reciprocal"] = g => g.Input(0).Reciprocal(),
        ["relu"] = g => g.Input(0).Relu(),
        ["sigmoid"] = g => g.Input(0).Sigmoid(),
        ["silu"] = g => g.Input(0).Silu(),
        ["sin"] = g => g.Input(0).Sin(),
        ["softplus"] = g => g.Input(0).Softplus(),
        ["sqrt"] = g => g.Input(0).Sqrt(),
        ["sub_broadcast"] = g => g.Input(0) - g.Input(1),
        ["tanh"] = g => g.Input(0).Tanh(),
        ["where"] = g => Tensor.Where(g.Input(0) > 0, g.Input(0), g.Input(1)),

        // Losses
        ["bce_with_logits"] = g => g.Input(0).BinaryCrossEntropyWithLogits(g.Input(1)),

        // Products of matrices
        ["matmul_2d"] = g => g.Input(0).MatMul(g.Input(1)),
        ["matmul_batched"] = g => g.Input(0).MatMul(g.Input(1)),
        ["matmul_broadcast"] = g => g.Input(0).MatMul(g.Input(1)),
        ["matmul_transposed"] = g => g.Input(0).MatMul(g.Input(1).T),

        // Reductions and what goes along a dimension
        ["cosine_similarity"] = g => g.Input(0).CosineSimilarity(g.Input(1).Unsqueeze(1)),
        ["cumprod"] = g => g.Input(0).CumulativeProduct(),
        ["cumsum"] = g => g.Input(0).CumulativeSum(1),
        ["log_softmax"] = g => g.Input(0).LogSoftmax(),
        ["logsumexp"] = g => g.Input(0).LogSumExp(),
        ["max_dim"] = g => g.Input(0).Max(-1),
        ["mean_all"] = g => g.Input(0).Mean(),
        ["mean_dim_keep"] = g => g.Input(0).Mean([-1], keepDimensions: true),
        ["norm_dim"] = g => g.Input(0).Norm(-1),
        ["softmax_dim1"] = g => g.Input(0).Softmax(g.Integer("dim")),
        ["softmax_dimm1"] = g => g.Input(0).Softmax(g.Integer("dim")),
        ["softmax_extreme"] = g => g.Input(0).Softmax(),
        ["sum_dim"] = g => g.Input(0).Sum(1),
        ["var_dim"] = g => g.Input(0).Variance([-1], unbiased: false),

        // Losses
        ["cross_entropy"] = CrossEntropy,
        ["cross_entropy_ignore_smooth"] = CrossEntropy,
        ["kl_div"] = g => g.Input(0).LogSoftmax().KullbackLeiblerDivergence(g.Input(1).Softmax()),
        ["mse"] = g => g.Input(0).MeanSquaredError(g.Input(1)),
        ["smooth_l1"] = g => g.Input(0).SmoothL1(g.Input(1), g.Number("beta", 1)),

        // Convolution and attention
        ["attention"] = Attention,
        ["attention_causal"] = Attention,
        ["conv1d"] = Conv1d,
        ["conv1d_depthwise_causal"] = Conv1d,

        // Shapes
        ["circular_shift"] = g => g.Input(0).CircularShift(g.Input(1)),
        ["concat"] = g => Tensor.Concat(1, g.Input(0), g.Input(1)),
        ["gather"] = g => g.Input(0).Gather(1, g.Input(1)),
        ["index_select"] = g => g.Input(0).IndexSelect(0, g.Input(1)),
        ["stack"] = g => Tensor.Stack(1, g.Input(0), g.Input(1)),
        ["permute_reshape"] = g => g.Input(0).Permute(2, 0, 1).Reshape(g.Read("output.0").Shape),
        ["slice"] = g => g.Input(0).Slice(1, 1, 1 + g.Read("output.0").Shape[1]).Slice(2, 0, g.Width, 2),

        // Layers
        ["embedding"] = g => g.Load(new Embedding(g.Size("weight", 0), g.Size("weight", 1), random)).Forward(g.Input(0)),
        ["gru_2layer"] = g => g.Load(new Gru(g.Width, g.Integer("hidden"), random, g.Integer("layers"))).Forward(g.Input(0)),
        ["layer_norm"] = g => g.Load(new LayerNorm(g.Width, g.Number("eps", 1e-5))).Forward(g.Input(0)),
        ["linear"] = g => g.Load(new Linear(g.Width, g.Size("weight", 0), random)).Forward(g.Input(0)),
        ["lstm_2layer"] = g => g.Load(new Lstm(g.Width, g.Integer("hidden"), random, g.Integer("layers"))).Forward(g.Input(0)),
        ["lstm_bidirectional"] = g => g.Load(new Lstm(g.Width, g.Integer("hidden"), random, bidirectional: g.Flag("bidirectional"))).Forward(g.Input(0)),
        ["multihead_attention_cross_padded"] = g =>
            g.Load(new MultiHeadAttention(g.Width, g.Integer("heads"), random)).Forward(g.Input(0), g.Input(1), g.Input(1), KeyPadding(g)),
        ["multihead_attention_self"] = g => AveragedOverHeads(
            g.Load(new MultiHeadAttention(g.Width, g.Integer("heads"), random)).Run(g.Input(0), g.Input(0), g.Input(0))),
        ["rnn_2layer"] = g => g.Load(new Rnn(g.Width, g.Integer("hidden"), random, g.Integer("layers"))).Forward(g.Input(0)),
        ["transformer_decoder_layer"] = g => g.Load(new TransformerDecoderLayer(g.Width, g.Integer("heads"), g.Integer("feed_forward"), random, dropout: 0))
            .Forward(g.Input(0), g.Input(1), g.Flag("causal")),
        ["transformer_encoder_layer_postnorm"] = Encoder,
        ["transformer_encoder_layer_prenorm"] = Encoder,
    };

    static GoldenOutput Encoder(GoldenCase g) => g.Load(new TransformerEncoderLayer(g.Width, g.Integer("heads"), g.Integer("feed_forward"), random,
        g.Text("activation") == "gelu" ? FeedForwardActivation.Gelu : FeedForwardActivation.Relu, g.Flag("norm_first"), dropout: 0)).Forward(g.Input(0));

    /// <summary>[batch, keys], 0 where a key is not seen; in the file it is the other way round.</summary>
    static Tensor KeyPadding(GoldenCase g)
    {
        JsonElement rows = g.Argument("padding");
        return Tensor.From([.. rows.EnumerateArray().SelectMany(row => row.EnumerateArray().Select(e => e.GetInt32() != 0 ? 0 : 1))],
            [rows.GetArrayLength(), rows[0].GetArrayLength()]);
    }

    static GoldenOutput AveragedOverHeads((Tensor Output, Tensor Weights) y) => (y.Output, y.Weights.Mean([1]));

    static GoldenOutput Attention(GoldenCase g) => g.Input(0).ScaledDotProductAttention(g.Input(1), g.Input(2), causal: g.Flag("causal"));

    // The groups follow from the shapes; so does the padding, where it is not among the arguments.
    static GoldenOutput Conv1d(GoldenCase g)
    {
        Tensor x = g.Input(0), weight = g.Parameter("weight");
        int stride = (int)g.Number("stride", 1), dilation = (int)g.Number("dilation", 1);
        int fitting = ((g.Read("output.0").Shape[2] - 1) * stride + dilation * (weight.Shape[2] - 1) + 1 - x.Shape[2] + 1) / 2;
        return x.Conv1d(weight, g.Parameter("bias"), stride, (int)g.Number("padding", fitting), dilation, x.Shape[1] / weight.Shape[1]);
    }

    static GoldenOutput CrossEntropy(GoldenCase g) =>
        g.Input(0).CrossEntropy(g.Input(1), (int)g.Number("ignore_index", -100), g.Number("label_smoothing", 0));

    public static readonly Dictionary<string, Func<GoldenCase, IReadOnlyList<Tensor>, Optimizer>> Optimizers = new()
    {
        ["adagrad"] = (g, p) => new Adagrad(p, g.Number("lr", 1e-2)),
        ["adam"] = Adam,
        ["adam_weight_decay_amsgrad"] = Adam,
        ["adamw"] = (g, p) => new AdamW(p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), weightDecay: g.Number("weight_decay", 1e-2)),
        ["rmsprop_centered"] = RmsProp,
        ["rmsprop_ntm"] = RmsProp,
        ["sgd"] = Sgd,
        ["sgd_momentum_nesterov"] = Sgd,
    };

    static Adam Adam(GoldenCase g, IReadOnlyList<Tensor> p) => new(
        p, g.Number("lr", 1e-3), g.Number("betas", 0, 0.9), g.Number("betas", 1, 0.999), weightDecay: g.Number("weight_decay", 0), amsGrad: g.Flag("amsgrad"));

    static RmsProp RmsProp(GoldenCase g, IReadOnlyList<Tensor> p) =>
        new(p, g.Number("lr", 1e-2), g.Number("alpha", 0.99), momentum: g.Number("momentum", 0), centered: g.Flag("centered"));

    static Sgd Sgd(GoldenCase g, IReadOnlyList<Tensor> p) =>
        new(p, g.Number("lr", 1e-3), g.Number("momentum", 0), weightDecay: g.Number("weight_decay", 0), nesterov: g.Flag("nesterov"));
}

/// <summary>What a case's function gives: one tensor, or several in the file's order.</summary>
readonly record struct GoldenOutput(Tensor[] Tensors)
{
    public static implicit operator GoldenOutput(Tensor y) => new([y]);
    public static implicit operator GoldenOutput((Tensor First, Tensor Second) y) => new([y.First, y.Second]);
    public static implicit operator GoldenOutput((Tensor First, Tensor Second, Tensor Third) y) => new([y.First, y.Second, y.Third]);
}
