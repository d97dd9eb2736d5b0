namespace NeuralMemory.Tasks;

/// <summary>
/// Makes stories and questions in the manner of four bAbI tasks (Weston et al. 2015, arXiv:1502.05698), with people, places and things of its own: people walk about a small world and carry
/// things, and whatever can be asked follows from what was told.
/// </summary>
public static class BabiGenerator
{
    static readonly string[] people = ["Anna", "Ben", "Clara", "David"];
    static readonly string[] places = ["attic", "cellar", "library", "office", "stable", "tower"];
    static readonly string[] things = ["apple", "lamp", "map"];
    static readonly string[] walks = ["went to", "walked to", "moved to", "hurried to"];
    static readonly string[] takes = ["took", "grabbed", "picked up"], drops = ["dropped", "left", "put down"];

    static readonly (string Motive, string Place, string Thing)[] motives =
        [("hungry", "kitchen", "bread"), ("thirsty", "well", "cup"), ("tired", "bedroom", "pillow"), ("bored", "garden", "ball")];

    /// <summary>The tasks that it makes questions for: 1, where a person is; 2, where a thing is; 12, where one of two people is who walk together; 20, why somebody does something.</summary>
    public static IReadOnlyList<int> Tasks { get; } = [1, 2, 12, 20];

    /// <summary>The lines of a file with at least as many questions as asked for, in whole stories, as <see cref="BabiFile"/> reads them.</summary>
    /// <param name="task">One of <see cref="Tasks"/>.</param>
    /// <param name="questions">How many questions.</param>
    /// <param name="random">Where everything is drawn from.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another task, or no questions.</exception>
    public static List<string> Lines(int task, int questions, Philox random)
    {
        if (!Tasks.Contains(task))
            throw new ArgumentOutOfRangeException(nameof(task), task, $"Questions can be made in the manner of the tasks {string.Join(", ", Tasks)}; the others need files.");
        ArgumentOutOfRangeException.ThrowIfLessThan(questions, 1);
        List<string> lines = [];
        for (int asked = 0; asked < questions;)
        {
            World world = new(random, lines);
            asked += task switch { 1 => world.WhereIsSomebody(1), 12 => world.WhereIsSomebody(2), 2 => world.WhereIsAThing(), _ => world.Why() };
        }
        return lines;
    }

    /// <summary>One story: what has been told, on which line, and where everything is by now.</summary>
    sealed class World(Philox random, List<string> lines)
    {
        const int Questions = 5;
        readonly Dictionary<string, (string Place, int Line)> at = [];
        readonly Dictionary<string, (string Person, int Line)> carried = [];
        readonly Dictionary<string, (string Place, string Facts)> lying = [];
        int line;

        T Any<T>(IReadOnlyList<T> from) => from[random.Next(0, from.Count)];

        int Tell(string sentence)
        {
            lines.Add($"{++line} {sentence}.");
            return line;
        }

        void Ask(string question, string answer, string facts) => lines.Add($"{++line} {question}?\t{answer}\t{facts}");

        /// <summary>Tasks 1 and 12: two walks, then a question, five times.</summary>
        public int WhereIsSomebody(int together)
        {
            for (int question = 0; question < Questions; question++)
            {
                Walk(together);
                Walk(together);
                string person = Any(at.Keys.ToArray());
                Ask($"Where is {person}", at[person].Place, $"{at[person].Line}");
            }
            return Questions;
        }

        void Walk(int together)
        {
            string[] walkers = [.. people];
            random.Shuffle(walkers.AsSpan());
            string[] away = [.. places.Where(place => walkers[..together].All(walker => !at.TryGetValue(walker, out var now) || now.Place != place))];
            string to = Any(away);
            int told = Tell($"{string.Join(" and ", walkers[..together])} {Any(walks)} the {to}");
            foreach (string walker in walkers[..together]) at[walker] = (to, told);
        }

        /// <summary>Task 2: walks, takings and droppings, and a question for a thing whose place is known.</summary>
        public int WhereIsAThing()
        {
            for (int question = 0; question < Questions;)
            {
                for (int i = 0, n = 2 + random.Next(0, 4); i < n; i++) Act();
                string[] known = [.. things.Where(thing => carried.ContainsKey(thing) || lying.ContainsKey(thing))];
                if (known.Length == 0) continue;
                string asked = Any(known);
                (string place, string facts) = carried.TryGetValue(asked, out var holder) ? (at[holder.Person].Place, $"{holder.Line} {at[holder.Person].Line}") : lying[asked];
                Ask($"Where is the {asked}", place, facts);
                question++;
            }
            return Questions;
        }

        void Act()
        {
            string person = Any(people);
            string[] held = [.. carried.Where(c => c.Value.Person == person).Select(c => c.Key)];
            int act = at.ContainsKey(person) ? random.Next(0, 4) : 0;
            if (act == 1 && held.Length > 0)
            {
                string thing = Any(held);
                int told = Tell($"{person} {Any(drops)} the {thing}");
                lying[thing] = (at[person].Place, $"{told} {at[person].Line}");
                carried.Remove(thing);
            }
            else if (act >= 2 && Free(person) is { Length: > 0 } free)
            {
                string thing = Any(free);
                carried[thing] = (person, Tell($"{person} {Any(takes)} the {thing}"));
                lying.Remove(thing);
            }
            else Walk(person);
        }

        void Walk(string person)
        {
            string[] away = [.. places.Where(place => !at.TryGetValue(person, out var now) || now.Place != place)];
            string to = Any(away);
            at[person] = (to, Tell($"{person} {Any(walks)} the {to}"));
        }

        /// <summary>What lies where the person is, and what has not been heard of yet.</summary>
        string[] Free(string person) =>
            [.. things.Where(thing => !carried.ContainsKey(thing) && (!lying.TryGetValue(thing, out var place) || place.Place == at[person].Place))];

        /// <summary>Task 20: each of four people has a motive, goes where it leads and takes what it asks for; before and after, questions where to and why.</summary>
        public int Why()
        {
            const int Moved = 4;
            string[] who = [.. people];
            (string Motive, string Place, string Thing)[] why = [.. motives];
            random.Shuffle(who.AsSpan());
            random.Shuffle(why.AsSpan());
            int[] told = new int[Moved], stage = new int[Moved];
            int asked = 0;
            while (stage.Any(s => s < 3))
            {
                int i = Any([.. Enumerable.Range(0, Moved).Where(i => stage[i] < 3)]);
                (string motive, string place, string thing) = why[i];
                switch (stage[i]++)
                {
                    case 0:
                        told[i] = Tell($"{who[i]} is {motive}");
                        if (random.Next(0, 2) == 0) Ask($"Where will {who[i]} go", place, $"{told[i]}");
                        else continue;
                        break;
                    case 1:
                        Tell($"{who[i]} {Any(walks)} the {place}");
                        Ask($"Why did {who[i]} go to the {place}", motive, $"{told[i]}");
                        break;
                    default:
                        Tell($"{who[i]} {Any(takes)} the {thing} there");
                        Ask($"Why did {who[i]} get the {thing}", motive, $"{told[i]}");
                        break;
                }
                asked++;
            }
            return asked;
        }
    }
}
