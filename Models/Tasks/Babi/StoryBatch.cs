using System.Buffers;

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
    public static StoryBatch Of(IReadOnlyList<BabiExample> examples, ReadOnlySpan<int> chosen, int capacity)
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
        int batch = chosen.Length, all = batch * (slots * words + slots + longest + 2);
        int[] numbers = ArrayPool<int>.Shared.Rent(all);
        Span<int> rest = numbers.AsSpan(0, all), sentences = Take(ref rest, batch * slots * words), sentenceWords = Take(ref rest, batch * slots),
            questions = Take(ref rest, batch * longest), questionWords = Take(ref rest, batch), answers = Take(ref rest, batch);
        numbers.AsSpan(0, all).Clear();
        for (int b = 0; b < batch; b++)
        {
            BabiExample example = examples[chosen[b]];
            for (int s = First(example), slot = b * slots; s < example.Story.Length; s++, slot++)
            {
                example.Story[s].CopyTo(sentences[(slot * words)..]);
                sentenceWords[slot] = example.Story[s].Length;
            }
            example.Question.CopyTo(questions[(b * longest)..]);
            (questionWords[b], answers[b]) = (example.Question.Length, example.Answer);
        }
        StoryBatch stories = new(Tensor.From(sentences, [batch, slots, words]), Tensor.From(sentenceWords, [batch, slots]), Tensor.From(questions, [batch, longest]),
            Tensor.From(questionWords, [batch]), Tensor.From(answers, [batch]));
        ArrayPool<int>.Shared.Return(numbers);
        return stories;

        static Span<int> Take(ref Span<int> rest, int count)
        {
            Span<int> taken = rest[..count];
            rest = rest[count..];
            return taken;
        }

        int First(BabiExample example) => Math.Max(0, example.Story.Length - capacity);
    }
}
