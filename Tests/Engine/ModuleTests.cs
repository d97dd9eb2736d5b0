namespace NeuralMemory.Tests.Engine;

public class ModuleTests
{
    sealed class Leaf : Module
    {
        public Leaf(int size) => Weight = Parameter("weight", [size], Initializers.Ones, new Philox(1));

        public Tensor Weight { get; }
    }

    sealed class Tree : Module
    {
        public Tree()
        {
            Parameter("scale", [], Initializers.Constant(.5), new Philox(1));
            Leaf shared = Child("left", new Leaf(2));
            Child("right", shared);
            Child("other", new Leaf(3));
        }
    }

    [Test]
    public void Parameters_are_named_by_their_path_and_shared_ones_counted_once()
    {
        Tree tree = new();
        Assert.That(tree.NamedParameters().Select(p => p.Name), Is.EqualTo(new[] { "scale", "left.weight", "right.weight", "other.weight" }));
        Assert.That(tree.Parameters, Has.Count.EqualTo(3));
        Assert.That(tree.ParameterCount, Is.EqualTo(6));
        Assert.That(tree.Parameters.All(p => p.RequiresGradient), Is.True);
    }

    [Test]
    public void Training_mode_reaches_all_children()
    {
        Tree tree = new();
        Assert.That(tree.IsTraining, Is.True);
        tree.IsTraining = false;
        Assert.That(tree.Children.Select(c => c.Module.IsTraining), Is.All.False);
    }

    [Test]
    public void Every_handle_to_a_parameter_sees_its_new_type()
    {
        Leaf leaf = new(2);
        Tensor weight = leaf.Weight;
        leaf.To(DType.Float64);
        Assert.That(weight.DType, Is.EqualTo(DType.Float64));
        Assert.That(weight.ToArray<double>(), Is.All.EqualTo(1));
        leaf.To(DType.Float32);
        Assert.That(leaf.Weight.ToArray(), Is.All.EqualTo(1));
    }
}
