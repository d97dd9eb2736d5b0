namespace NeuralMemory.Tasks;

/// <summary>A question about a story, in words, as a file of the bAbI tasks puts it (Weston et al. 2015, arXiv:1502.05698).</summary>
/// <param name="Story">The sentences told before the question, the oldest first; words in lower case, without punctuation.</param>
/// <param name="Question">The question's words.</param>
/// <param name="Answer">The answer, one word; an answer that lists several joins them by commas and counts as one word.</param>
/// <param name="Facts">Which sentences of the story the answer follows from, counted from 0.</param>
public sealed record BabiQuestion(string[][] Story, string[] Question, string Answer, int[] Facts);

/// <summary>The same in numbers of a <see cref="WordList"/>.</summary>
/// <param name="Story">For each sentence its words, the oldest sentence first.</param>
/// <param name="Question">The question's words.</param>
/// <param name="Answer">The answer.</param>
/// <param name="Facts">Which sentences of the story the answer follows from, counted from 0.</param>
public sealed record BabiExample(int[][] Story, int[] Question, int Answer, int[] Facts);
