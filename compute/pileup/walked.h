// The pileup of reads whose bases and qualities lie on a device. What the CPU looks at itself is brought: reads of several
// operations, and later those near what may vary.
#pragma once

#include "events.h"

namespace baselake::pileup {

inline std::vector<int32_t> places_of(const std::vector<uint8_t>& marked) {
    std::vector<int32_t> places;
    for (size_t i = 0; i < marked.size(); ++i)
        if (marked[i]) places.push_back(static_cast<int32_t>(i));
    return places;
}

// Gives some reads their bases and qualities, which stand one after the other.
inline void bring(Pileup& pileup, const std::vector<int32_t>& which, const uint8_t* bases, const uint8_t* quality) {
    size_t total = 0;
    for (int32_t r : which) total += pileup.reads[static_cast<size_t>(r)].seq.size();
    const std::vector<char>& text = pileup.brought.emplace_back(bases, bases + total);
    const char* at = text.data();
    for (int32_t r : which) {
        Read& read = pileup.reads[static_cast<size_t>(r)];
        const size_t length = read.seq.size();
        read.seq = {at, length};
        read.qual.assign(quality, quality + length);
        at += length;
        quality += length;
    }
}

// What a device's walk found, as in walk.py. Differences stand read by read.
struct Walked {
    std::vector<int32_t> depth, informative;
    const int32_t* numbers;  // differences of each read
    const int32_t* position;
    const uint8_t *base, *quality;
};

// The reads of several operations, in order: of these the CPU looks at all bases.
inline std::vector<int32_t> several(const std::vector<Read>& reads) {
    std::vector<uint8_t> marked(reads.size());
    for (size_t i = 0; i < reads.size(); ++i) marked[i] = reads[i].ops.size() > 1;
    return places_of(marked);
}

// Moves the gaps of these reads, which have been brought, to the left, and collects what they show.
inline void collect_gaps(Pileup& pileup, const std::vector<int32_t>& which, const Window& reference) {
    for (int32_t r : which) gaps(pileup.reads[static_cast<size_t>(r)], r, reference, pileup.events, pileup.clips);
}

// Adds what the device found, in the order in which a CPU comes upon it.
inline void add_walked(Pileup& pileup, Walked walked) {
    std::vector<Event> events;
    auto gap = pileup.events.begin();
    for (size_t i = 0; i < pileup.reads.size(); ++i) {
        const auto index = static_cast<int32_t>(i);
        for (; gap != pileup.events.end() && gap->read == index; ++gap) events.push_back(std::move(*gap));
        for (int32_t k = 0; k < walked.numbers[i]; ++k, ++walked.position, ++walked.base, ++walked.quality)
            events.push_back({{*walked.position, 1, std::string(1, static_cast<char>(*walked.base))}, index, *walked.quality});
    }
    sort_events(events);
    pileup.events = std::move(events);
    pileup.depth = std::move(walked.depth);
    pileup.informative = std::move(walked.informative);
}

}  // namespace baselake::pileup
