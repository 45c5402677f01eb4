// Slips of repeats of two bases and more, which the PairHMM prices too high where they are long.
#pragma once

#include "haplotypes.h"

namespace baselake::pileup {

// A read of a repeat that slipped is a read of a haplotype with a unit more or less. A gap costs the PairHMM GAP_EXTEND
// for each further base of a unit whatever the repeat, so that it takes no slip of two bases for likelier than 18 phred,
// of four than 38. Where reads slip more often, a read's likelihood is a mixture over the region's haplotypes that are
// slips of one another.
class Slips {
  public:
    explicit Slips(const std::vector<CandidateHaplotype>& haplotypes) : haplotypes_(haplotypes.size()) {
        for (size_t from = 0; from < haplotypes_; ++from)
            for (size_t to = 0; to < haplotypes_; ++to)
                if (const double cost = slip_cost(haplotypes[from].bases, haplotypes[to].bases); cost < NONE) slips_.push_back({from, to, static_cast<float>(cost)});
    }

    // Costs of a read under each haplotype, slips allowed.
    void mix(const float* costs, float* out) const {
        std::copy(costs, costs + haplotypes_, out);
        for (const Slip& s : slips_)
            if (costs[s.to] + s.cost < costs[s.from] + NEGLIGIBLE) out[s.from] = static_cast<float>(add_costs(out[s.from], costs[s.to] + s.cost));
    }

  private:
    // Of repeats of 13 to 23 units of two bases in NA12878 and its parents 5 of 61 reads slipped; of four bases and 4 to 7
    // units 3 of 250, so that longer ones are not taken to be better.
    static constexpr double LEAST_OF_TWO = 10, LEAST = 15;
    static constexpr double FURTHER = 10;           // one slip in ten moves two units
    static constexpr double LOSS = 2.2, GAIN = 4.0;  // three of five slips lose units
    static constexpr size_t LONGEST_UNIT = 4;
    static constexpr double NONE = 1000;
    static constexpr float NEGLIGIBLE = 20;  // a share of one in a hundred changes nothing
    struct Slip {
        size_t from, to;
        float cost;
    };

    // Phred of a read of `from` that looks like `to`: one is the other with whole units of a repeat more. NONE where they
    // differ in another way, or where the PairHMM has it right.
    static double slip_cost(const std::string& from, const std::string& to) {
        const std::string &shorter = from.size() < to.size() ? from : to, &longer = from.size() < to.size() ? to : from;
        const size_t more = longer.size() - shorter.size();
        if (more < 2) return NONE;
        const auto left = static_cast<size_t>(std::mismatch(shorter.begin(), shorter.end(), longer.begin()).first - shorter.begin());
        if (shorter.compare(left, std::string::npos, longer, left + more) != 0) return NONE;
        const std::string_view moved = std::string_view(longer).substr(left, more);
        size_t unit = 1;
        while (unit < more && !(more % unit == 0 && moved.substr(unit) == moved.substr(0, more - unit))) ++unit;
        if (unit < 2 || unit > LONGEST_UNIT) return NONE;
        // Common bases reach as far right as they can: the repeat ends where what is more ends.
        const size_t end = left + more;
        size_t first = end;
        while (first > 0 && (end - first < unit || longer[first - 1] == longer[first - 1 + unit])) --first;
        const int bases = static_cast<int>(unit), units = static_cast<int>((end - first - (&from == &shorter ? more : 0)) / unit);
        const double cost = std::max(unit == 2 ? LEAST_OF_TWO : LEAST, double{pairhmm::repeat_slip(bases, units)});
        if (cost >= pairhmm::repeat_gap_open(bases, units) + pairhmm::GAP_EXTEND * (bases - 1)) return NONE;
        return cost + (&from == &longer ? LOSS : GAIN) + FURTHER * (static_cast<double>(more / unit) - 1);
    }

    size_t haplotypes_;
    std::vector<Slip> slips_;
};

}  // namespace baselake::pileup
