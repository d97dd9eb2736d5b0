namespace NeuralMemory.Simd;

/// <summary>Elementary functions of doubles that the framework lacks.</summary>
static class Float64Math
{
    const double TwoOverSqrtPi = 1.1283791670955125738961589031215452;

    /// <summary>The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x (Abramowitz and Stegun 7.1.1).</summary>
    public static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (double.IsNaN(x)) return x;
        if (a > 6) return Math.CopySign(1, x); // 1 - erf(6) = 2e-17
        return a < 2 ? Series(x) : Math.CopySign(1 - ComplementByFraction(a), x);
    }

    /// <summary>log(1 + z), precise near zero: double.LogP1 computes log(1 + z) as it stands and loses z below 1e-16.</summary>
    /// <remarks>The rounding of u = 1 + z is undone by the factor z / (u - 1), because log(u) / (u - 1) hardly changes with u.</remarks>
    public static double LogP1(double z)
    {
        double u = 1 + z;
        return u == 1 ? z : Math.Log(u) * z / (u - 1);
    }

    // erf x = 2/sqrt(pi) e^(-x^2) sum over n of 2^n x^(2n+1) / (1 3 5 ... (2n+1))     (A&S 7.1.6); every term has the sign of x.
    static double Series(double x)
    {
        double term = x, sum = x;
        for (int n = 1; Math.Abs(term) > Math.Abs(sum) * 1e-17; n++)
        {
            term *= 2 * x * x / (2 * n + 1);
            sum += term;
        }
        return TwoOverSqrtPi * Math.Exp(-x * x) * sum;
    }

    // 1 - erf x = e^(-x^2) / sqrt(pi) * 1/(x + (1/2)/(x + 1/(x + (3/2)/(x + ...))))     (A&S 7.1.14), from the inside out.
    static double ComplementByFraction(double x)
    {
        double tail = x;
        for (int n = 60; n > 0; n--) tail = x + n * 0.5 / tail;
        return TwoOverSqrtPi / 2 * Math.Exp(-x * x) / tail;
    }
}
