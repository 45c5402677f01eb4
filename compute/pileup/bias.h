// Statistics that tell a variant from an artefact: strand, place in the read, base and mapping quality.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace baselake::pileup {

// What one fragment says at one site.
struct Observation {
    int allele;  // 0 reference, 1.. alternates, -1: cannot tell
    bool reverse;
    int mapq;
    int quality;   // of the base at the site
    int distance;  // of the site to the nearer end of the read
};

// Phred of the two-sided p of Fisher's exact test on {ref forward, ref reverse, alt forward, alt reverse}.
inline double fisher_strand(const std::array<int32_t, 4>& t) {
    const int ref = t[0] + t[1], alt = t[2] + t[3], forward = t[0] + t[2], n = ref + alt;
    if (ref == 0 || alt == 0 || forward == 0 || forward == n) return 0;
    auto log_factorial = [](int k) { return std::lgamma(k + 1.0); };
    const double constant = log_factorial(ref) + log_factorial(alt) + log_factorial(forward) + log_factorial(n - forward) - log_factorial(n);
    auto log_p = [&](int x) {  // x: ref forward
        return constant - log_factorial(x) - log_factorial(ref - x) - log_factorial(forward - x) - log_factorial(alt - forward + x);
    };
    const double observed = log_p(t[0]);
    double p = 0;
    for (int x = std::max(0, forward - alt); x <= std::min(ref, forward); ++x)
        if (const double here = log_p(x); here <= observed + 1e-7) p += std::exp(here);
    return std::max(0.0, -10 * std::log10(std::min(p, 1.0)));
}

// z of the Mann-Whitney test, with ties, of the alternate's values against the reference's; NaN where either
// has fewer than two.
template <typename Value>
float rank_sum(const std::vector<Observation>& seen, int allele, Value value) {
    std::vector<std::pair<int, bool>> values;
    double n_alt = 0;
    for (const Observation& o : seen) {
        if (o.allele != 0 && o.allele != allele) continue;
        values.push_back({value(o), o.allele == allele});
        n_alt += o.allele == allele;
    }
    const auto n = static_cast<double>(values.size());
    if (n_alt < 2 || n - n_alt < 2) return std::numeric_limits<float>::quiet_NaN();
    std::sort(values.begin(), values.end());
    double ranks = 0, ties = 0;
    for (size_t i = 0, j = 0; i < values.size(); i = j) {
        while (j < values.size() && values[j].first == values[i].first) ++j;
        const auto t = static_cast<double>(j - i);
        ties += t * t * t - t;
        for (size_t k = i; k < j; ++k)
            if (values[k].second) ranks += static_cast<double>(i + j + 1) / 2;
    }
    const double u = ranks - n_alt * (n_alt + 1) / 2, mean = n_alt * (n - n_alt) / 2;
    const double variance = n_alt * (n - n_alt) / 12 * (n + 1 - ties / (n * (n - 1)));
    return variance > 0 ? static_cast<float>((u - mean) / std::sqrt(variance)) : 0.0f;
}

}  // namespace baselake::pileup
