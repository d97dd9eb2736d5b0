namespace NeuralMemory.Tasks;

/// <summary>Questions side by side, as tensors of the current step of the tape. A place that holds no word or sentence holds 0, and the counts say so.</summary>
/// <param name="Sentences">Int32 [batch, sentences, words]: the oldest sentence first.</param>
/// <param name="SentenceWords">Int32 [batch, sentences]: how many words each sentence has; 0 where there is none.</param>
/// <param name="Questions">Int32 [batch, words].</param>
/// <param name="QuestionWords">Int32 [batch]: how many words each question has.</param>
/// <param name="Answers">Int32 [batch].</param>
public readonly record struct StoryBatch(Tensor Sentences, Tensor SentenceWords, Tensor Questions, Tensor QuestionWords, Tensor Answers)
{
    /// <summary>How many questions there are.</summary>
    public int Count => Questions.Shape[0];

    /// <summary>Puts questions side by side.</summary>
    /// <param name="examples">All questions to choose from.</param>
    /// <param name="chosen">Which of them.</param>
    /// <param name="capacity">The most sentences of a story to keep: the newest.</param>
    /// <exception cref="ArgumentOutOfRangeException">None is chosen, or the capacity is not positive.</exception>
    public static unsafe StoryBatch Of(IReadOnlyList<BabiExample> examples, ReadOnlySpan<int> chosen, int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(chosen.Length, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        int slots = 1, words = 1, longest = 1;
        foreach (int i in chosen)
        {
            BabiExample example = examples[i];
            slots = Math.Max(slots, Math.Min(capacity, example.Story.Length));
            longest = Math.Max(longest, example.Question.Length);
            for (int s = First(example); s < example.Story.Length; s++) words = Math.Max(words, example.Story[s].Length);
        }
        StoryBatch batch = new(Tensor.Zeros([chosen.Length, slots, words], DType.Int32), Tensor.Zeros([chosen.Length, slots], DType.Int32),
            Tensor.Zeros([chosen.Length, longest], DType.Int32), Tensor.Zeros([chosen.Length], DType.Int32), Tensor.Zeros([chosen.Length], DType.Int32));
        for (int b = 0; b < chosen.Length; b++)
        {
            BabiExample example = examples[chosen[b]];
            for (int s = First(example), slot = 0; s < example.Story.Length; s++, slot++)
            {
                example.Story[s].CopyTo(new Span<int>(batch.Sentences.Pointer<int>() + (b * slots + slot) * words, words));
                batch.SentenceWords.Pointer<int>()[b * slots + slot] = example.Story[s].Length;
            }
            example.Question.CopyTo(new Span<int>(batch.Questions.Pointer<int>() + b * longest, longest));
            batch.QuestionWords.Pointer<int>()[b] = example.Question.Length;
            batch.Answers.Pointer<int>()[b] = example.Answer;
        }
        return batch;

        int First(BabiExample example) => Math.Max(0, example.Story.Length - capacity);
    }
}
