// An entropy coder for bytes: rANS with the last few symbols as context (J. Duda, arXiv:1311.2540; the interleaved,
// word-wise form is F. Giesen's, arXiv:1402.3392). Frequencies stand before the data, so that decoding is a table
// lookup a symbol. `reference.py` is the slow twin of the decoder.
//
//   stream  := method, number of bytes n, ...
//   raw     := 0, n, the n bytes
//   run     := 1, n, the byte that all of them are
//   rans    := 2, n, a - 1, the a symbols ascending, order, shift, bytes(frequencies as a stream of their own), words
//   joined  := 3, n, a - 1, the a symbols ascending, order, shift, bytes(frequencies), joined shift, words
//
// Symbols are replaced by their rank. b = ceil(log2(a)) bits a symbol, the context is that of the last `order`
// symbols, the latest in the lowest bits. Frequencies: a bitmap of contexts in use, then for each of these the
// frequency of every symbol as a number; after a 0 stands how many more 0 follow. They sum up to 2^shift.
//
// Eight coders share the words: coder k has the bytes [k*m, (k+1)*m), m = ceil(n / 8), and begins with context 0.
// Bytes of equal place in their stretch are decoded one after the other, k = 0 to 7. Words begin with the eight
// states, 32 bits each; all numbers are little-endian.
//
// Joined is what qualities in few bins are: of 3 or 4 symbols, each two that follow one another are coded as one, the
// first in the higher bits; a last one that is alone, with rank 0. It takes half the time. The frequencies that are
// stored are those of single symbols; those of two are their products, brought to a sum of 2^(joined shift)
// (`join_frequencies`): what is small stays small.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <memory>
#include <vector>

#include "lake/columns/bytes.h"

namespace baselake::columns {

enum Method : uint8_t { kRaw, kRun, kRans, kJoined };

constexpr size_t kLanes = 8;
constexpr int kContextBits = 8;      // at most 256 contexts
constexpr uint32_t kLowest = 1 << 16;  // of a state
constexpr int kFewTables = 8, kManyTables = 64;  // more of them get smaller ones, so that they stay in the cache
constexpr double kTableBits = 10;    // what one frequency costs, about: for the choice of the order only
// How many symbols are joined two by two, and of how many bytes at least: tables of fewer are not worth their time.
constexpr size_t kLeastSymbols = 3, kMostSymbols = 4, kLeastJoined = 1 << 12;
constexpr int kSingleBits = 2;

struct Frequencies {
    int bits, order, shift;
    std::vector<int32_t> table_of;  // by context; -1: not in use
    std::vector<uint16_t> of;       // by table and symbol, 2^bits each
};

inline int shift_for(int32_t tables) { return tables > kManyTables ? 10 : tables > kFewTables ? 11 : 12; }

inline int bits_for(size_t symbols) { return symbols < 2 ? 0 : std::bit_width(symbols - 1); }

// Counts that sum up to 2^shift, none of a symbol that occurs being 0.
inline void normalise(const uint32_t* counts, size_t symbols, int shift, uint16_t* out) {
    uint64_t total = 0;
    for (size_t i = 0; i < symbols; ++i) total += counts[i];
    const uint32_t wanted = 1u << shift;
    uint32_t sum = 0;
    size_t most = 0;
    for (size_t i = 0; i < symbols; ++i) {
        if (counts[i] > counts[most]) most = i;
        out[i] = 0;
        if (!counts[i]) continue;
        out[i] = static_cast<uint16_t>(std::max<uint64_t>(1, (uint64_t{counts[i]} * wanted + total / 2) / total));
        sum += out[i];
    }
    if (sum <= wanted) {
        out[most] = static_cast<uint16_t>(out[most] + wanted - sum);
        return;
    }
    // Too much by at most one a symbol: from the most frequent ones.
    while (sum > wanted) {
        size_t largest = 0;
        for (size_t i = 1; i < symbols; ++i)
            if (out[i] > out[largest]) largest = i;
        const uint32_t less = std::min<uint32_t>(sum - wanted, std::max(1, out[largest] / 8));
        out[largest] = static_cast<uint16_t>(out[largest] - less);
        sum -= less;
    }
}

Bytes pack_bytes(std::string_view bytes, int max_order = kContextBits);
Bytes unpack_bytes(Reader& in);

inline Bytes pack_frequencies(const Frequencies& f) {
    Bytes plain((f.table_of.size() + 7) / 8, 0);
    for (size_t context = 0; context < f.table_of.size(); ++context)
        if (f.table_of[context] >= 0) plain[context / 8] = static_cast<char>(plain[context / 8] | 1 << context % 8);
    const size_t width = size_t{1} << f.bits;
    for (size_t table = 0; table < f.of.size() / width; ++table) {
        const uint16_t* row = f.of.data() + table * width;
        for (size_t symbol = 0; symbol < width;) {
            put_number(plain, row[symbol]);
            if (row[symbol++]) continue;
            size_t more = 0;
            while (symbol < width && !row[symbol] && more < 127) ++symbol, ++more;
            put_number(plain, more);
        }
    }
    return pack_bytes(plain, 0);
}

inline Frequencies unpack_frequencies(std::string_view packed, int bits, int order, int shift) {
    Reader outer(packed);
    const Bytes plain = unpack_bytes(outer);
    Reader in(plain);
    Frequencies f{bits, order, shift, std::vector<int32_t>(size_t{1} << bits * order, -1), {}};
    int32_t tables = 0;
    const std::string_view used = in.take((f.table_of.size() + 7) / 8);
    for (size_t context = 0; context < f.table_of.size(); ++context)
        if (static_cast<uint8_t>(used[context / 8]) >> context % 8 & 1) f.table_of[context] = tables++;
    const size_t width = size_t{1} << bits;
    f.of.resize(static_cast<size_t>(tables) * width);
    for (size_t at = 0; at < f.of.size();) {
        const size_t end = (at / width + 1) * width;
        uint32_t sum = 0;
        while (at < end) {
            const uint64_t value = in.number();
            if (value > 1u << shift) damaged("a frequency is too large");
            f.of[at++] = static_cast<uint16_t>(value);
            sum += static_cast<uint32_t>(value);
            if (value) continue;
            const uint64_t more = in.number();
            if (more > end - at) damaged("frequencies are too many");
            at += more;
        }
        if (sum != 1u << shift) damaged("frequencies do not sum up");
    }
    return f;
}

// The symbols of a stream by rank, stretch by stretch, zeros before each: what its context is at first.
class Ranks {
  public:
    // `write(begin, length, out)` writes the ranks of bytes from `begin` on.
    template <typename Write>
    Ranks(size_t n, Write write)
        : n_(n),
          stretch_((n + kLanes - 1) / kLanes),
          ranks_(std::make_unique_for_overwrite<uint8_t[]>((stretch_ + kContextBits) * kLanes)) {
        for (size_t k = 0; k < kLanes; ++k) {
            uint8_t* const out = ranks_.get() + k * (stretch_ + kContextBits);
            std::fill_n(out, kContextBits, uint8_t{0});
            write(k * stretch_, length(k), out + kContextBits);
        }
    }

    size_t size() const { return n_; }
    size_t stretch() const { return stretch_; }
    // Of a stretch: those of the last lanes may be shorter, or empty.
    size_t length(size_t lane) const { return std::min(stretch_, n_ - std::min(n_, lane * stretch_)); }
    const uint8_t* lane(size_t lane) const { return ranks_.get() + lane * (stretch_ + kContextBits) + kContextBits; }

  private:
    size_t n_, stretch_;
    std::unique_ptr<uint8_t[]> ranks_;
};

// How often each symbol follows each context.
inline std::vector<uint32_t> count_contexts(const Ranks& ranks, int bits, int order) {
    // Lanes side by side, each with counts of its own: the same symbols follow one another, and adding to a number
    // that was just written waits for it.
    constexpr size_t together = 4;
    const size_t size = size_t{1} << bits * (order + 1), mask = (size_t{1} << bits * order) - 1;
    std::vector<uint32_t> counts(together * size);
    for (size_t first = 0; first < kLanes; first += together) {
        std::array<size_t, together> contexts{};
        std::array<const uint8_t*, together> in;
        for (size_t k = 0; k < together; ++k) in[k] = ranks.lane(first + k);
        const auto step = [&](size_t k, size_t i) {
            const size_t at = contexts[k] << bits | in[k][i];
            ++counts[k * size + at];
            contexts[k] = at & mask;
        };
        const size_t common = ranks.length(first + together - 1);
        for (size_t i = 0; i < common; ++i) {
#pragma GCC unroll 4
            for (size_t k = 0; k < together; ++k) step(k, i);
        }
        for (size_t k = 0; k < together; ++k)
            for (size_t i = common; i < ranks.length(first + k); ++i) step(k, i);
    }
    for (size_t at = size; at < counts.size(); ++at) counts[at % size] += counts[at];
    counts.resize(size);
    return counts;
}

// The order up to `top`, that of the counts, that makes what was counted smallest, with its frequencies.
inline Frequencies choose_frequencies(std::vector<uint32_t> counts, int bits, int top, double& best_bits) {
    const size_t width = size_t{1} << bits;
    std::vector<uint32_t> best_counts;
    int best_order = 0;
    best_bits = -1;
    for (int order = top;; --order) {
        double cost = 0;
        for (size_t context = 0; context < counts.size() / width; ++context) {
            const uint32_t* row = counts.data() + context * width;
            uint64_t total = 0;
            for (size_t s = 0; s < width; ++s) total += row[s];
            if (!total) continue;
            double own = static_cast<double>(total) * std::log2(static_cast<double>(total));
            for (size_t s = 0; s < width; ++s)
                if (row[s]) own += kTableBits - row[s] * std::log2(static_cast<double>(row[s]));
            cost += own;
        }
        if (best_bits < 0 || cost <= best_bits) {
            best_bits = cost;
            best_order = order;
            best_counts = counts;
        }
        if (!order) break;
        // The oldest symbol, in the highest bits, is forgotten.
        const size_t rest = counts.size() >> bits;
        for (size_t i = rest; i < counts.size(); ++i) counts[i % rest] += counts[i];
        counts.resize(rest);
    }
    Frequencies f{bits, best_order, 12, std::vector<int32_t>(best_counts.size() / width, -1), {}};
    int32_t tables = 0;
    for (size_t context = 0; context < f.table_of.size(); ++context) {
        const uint32_t* row = best_counts.data() + context * width;
        if (std::any_of(row, row + width, [](uint32_t count) { return count > 0; })) f.table_of[context] = tables++;
    }
    f.shift = shift_for(tables);
    f.of.resize(static_cast<size_t>(tables) * width);
    for (size_t context = 0; context < f.table_of.size(); ++context)
        if (const int32_t table = f.table_of[context]; table >= 0)
            normalise(best_counts.data() + context * width, width, f.shift, f.of.data() + static_cast<size_t>(table) * width);
    return f;
}

// The frequencies of two symbols at a time, from those of one.
inline Frequencies join_frequencies(const Frequencies& single, int shift) {
    constexpr size_t width = size_t{1} << kSingleBits;
    const size_t contexts = single.table_of.size(), mask = contexts - 1;
    Frequencies joined{2 * kSingleBits, (single.order + 1) / 2, shift, {}, {}};
    std::vector<int32_t> table_of(contexts, -1);
    int32_t tables = 0;
    for (size_t context = 0; context < contexts; ++context) {
        if (single.table_of[context] < 0) continue;
        std::array<uint32_t, width * width> products{};
        bool any = false;
        for (size_t first = 0; first < width; ++first) {
            const uint32_t frequency = single.of[static_cast<size_t>(single.table_of[context]) * width + first];
            const int32_t next = single.table_of[(context << kSingleBits | first) & mask];
            if (!frequency || next < 0) continue;
            for (size_t second = 0; second < width; ++second)
                any |= (products[first * width + second] = frequency * single.of[static_cast<size_t>(next) * width + second]) != 0;
        }
        if (!any) continue;  // of a context that only ever stands between two that are joined
        table_of[context] = tables++;
        joined.of.resize(joined.of.size() + products.size());
        normalise(products.data(), products.size(), shift, joined.of.data() + joined.of.size() - products.size());
    }
    for (size_t context = 0; context < size_t{1} << joined.bits * joined.order; ++context)
        joined.table_of.push_back(table_of[context & mask]);
    return joined;
}

inline void encode_words(const Ranks& ranks, const Frequencies& f, Bytes& out) {
    // A state x is divided by a frequency by multiplication: of x < 2^(32 - shift) * frequency the product with
    // ceil(2^(32 + shift) / frequency) is less than 2^64, and its bits from 32 + shift up are the quotient exactly.
    struct Symbol {
        uint64_t reciprocal, limit;  // states from `limit` on give up a word first
        uint32_t start, complement;
    };
    const size_t n = ranks.size(), stretch = ranks.stretch(), width = size_t{1} << f.bits;
    const int places = 32 + f.shift;
    std::vector<Symbol> symbols(f.of.size());
    uint32_t start = 0;
    for (size_t at = 0; at < f.of.size(); ++at) {
        const uint32_t frequency = f.of[at];
        if (at % width == 0) start = 0;
        if (frequency)
            symbols[at] = {((uint64_t{1} << places) + frequency - 1) / frequency,
                           uint64_t{kLowest >> f.shift << 16} * frequency, start, (1u << f.shift) - frequency};
        start += frequency;
    }
    std::vector<const Symbol*> of_context(f.table_of.size());
    for (size_t context = 0; context < of_context.size(); ++context)
        if (f.table_of[context] >= 0) of_context[context] = symbols.data() + (static_cast<size_t>(f.table_of[context]) << f.bits);
    const auto words = std::make_unique_for_overwrite<uint16_t[]>(n + 1);
    uint16_t *const end = words.get() + n + 1, *word = end;
    std::array<uint32_t, kLanes> states;
    states.fill(kLowest);
    std::array<size_t, kLanes> contexts{};
    std::array<const uint8_t*, kLanes> in;
    const int order = f.order, oldest = f.bits * (order - 1);
    for (size_t lane = 0; lane < kLanes; ++lane) {
        in[lane] = ranks.lane(lane);
        // The coder runs from the back: the context of the last symbol, which is the one before it and so on.
        for (int back = order; back > 0; --back) {
            const auto at = static_cast<ptrdiff_t>(ranks.length(lane)) - back;
            contexts[lane] = contexts[lane] << f.bits | in[lane][std::max<ptrdiff_t>(at, -1)];
        }
    }
    const auto step = [&](size_t lane, size_t place) {
        const auto at = static_cast<ptrdiff_t>(place);
        if (order) contexts[lane] = contexts[lane] >> f.bits | size_t{in[lane][at - order]} << oldest;
        const Symbol& symbol = of_context[contexts[lane]][in[lane][at]];
        uint32_t state = states[lane];
        word[-1] = static_cast<uint16_t>(state);
        const bool full = state >= symbol.limit;
        word -= full;
        state = full ? state >> 16 : state;
        const auto quotient = static_cast<uint32_t>(state * symbol.reciprocal >> places);
        states[lane] = state + symbol.start + quotient * symbol.complement;
    };
    for (size_t place = stretch; place-- > ranks.length(kLanes - 1);)
        for (size_t lane = kLanes; lane-- > 0;)
            if (place < ranks.length(lane)) step(lane, place);
    for (size_t place = ranks.length(kLanes - 1); place-- > 0;) {
#pragma GCC unroll 8
        for (size_t lane = kLanes; lane-- > 0;) step(lane, place);
    }
    for (const uint32_t state : states) out.append(reinterpret_cast<const char*>(&state), 4);
    out.append(reinterpret_cast<const char*>(word), 2 * static_cast<size_t>(end - word));
}

inline void decode_words(Reader& in, const Frequencies& f, const char* symbols, size_t n, char* out) {
    // A slot of 32 bits, so that the tables of a block stay in the cache: frequency - 1, place in it, rank.
    const size_t width = size_t{1} << f.bits, slots = size_t{1} << f.shift, stretch = (n + kLanes - 1) / kLanes;
    std::vector<uint32_t> table(f.of.size() / width * slots);
    for (size_t at = 0, slot = 0; at < f.of.size(); ++at)
        for (uint32_t i = 0; i < f.of[at]; ++i)
            table[slot++] = (f.of[at] - 1u) << 20 | i << 8 | static_cast<uint32_t>(at % width);
    std::vector<const uint32_t*> of_context(f.table_of.size());
    for (size_t context = 0; context < of_context.size(); ++context)
        if (f.table_of[context] >= 0) of_context[context] = table.data() + static_cast<size_t>(f.table_of[context]) * slots;
    std::array<uint32_t, kLanes> states;
    std::memcpy(states.data(), in.take(4 * kLanes).data(), 4 * kLanes);
    const std::string_view rest = in.take(in.left());
    const char *at = rest.data(), *const end = at + rest.size() / 2 * 2;
    std::array<size_t, kLanes> contexts{};
    const size_t mask = f.table_of.size() - 1;
    const uint32_t low = static_cast<uint32_t>(slots - 1);
    const auto step = [&](size_t lane, size_t place) {
        const uint32_t* const found = of_context[contexts[lane]];
        if (!found) damaged("a context that has no frequencies");
        const uint32_t slot = found[states[lane] & low], rank = slot & 0xff;
        out[lane * stretch + place] = symbols[rank];
        contexts[lane] = (contexts[lane] << f.bits | rank) & mask;
        uint32_t state = ((slot >> 20) + 1) * (states[lane] >> f.shift) + (slot >> 8 & 0xfff);
        if (state < kLowest) {
            if (at == end) damaged("coded words end early");
            uint16_t word;
            std::memcpy(&word, at, 2);
            at += 2;
            state = state << 16 | word;
        }
        states[lane] = state;
    };
    const size_t whole = n > (kLanes - 1) * stretch ? n - (kLanes - 1) * stretch : 0;
    for (size_t place = 0; place < whole; ++place) {
#pragma GCC unroll 8
        for (size_t lane = 0; lane < kLanes; ++lane) step(lane, place);
    }
    for (size_t place = whole; place < stretch; ++place)
        for (size_t lane = 0; lane < kLanes; ++lane)
            if (lane * stretch + place < n) step(lane, place);
}

// The symbols that occur, ascending.
inline Bytes symbols_of(std::string_view bytes) {
    std::array<bool, 256> seen{};
    std::array<char, kMostSymbols> few{};
    size_t known = 0, at = 0;
    // As long as they are few, bytes are compared with all of them at once.
    constexpr size_t piece = 4096;
    while (at < bytes.size() && known <= few.size()) {
        const std::string_view part = bytes.substr(at, piece);
        at += part.size();
        uint8_t others = !known;
        for (const char byte : part)
            others |= static_cast<uint8_t>((byte != few[0]) & (byte != few[1]) & (byte != few[2]) & (byte != few[3]));
        if (!others) continue;
        for (const char byte : part) seen[static_cast<uint8_t>(byte)] = true;
        known = 0;
        for (size_t symbol = 0; symbol < seen.size() && known <= few.size(); ++symbol)
            if (seen[symbol] && known++ < few.size()) few[known - 1] = static_cast<char>(symbol);
        for (size_t i = known; i < few.size(); ++i) few[i] = few[0];
    }
    for (; at < bytes.size(); ++at) seen[static_cast<uint8_t>(bytes[at])] = true;
    Bytes symbols;
    for (size_t symbol = 0; symbol < seen.size(); ++symbol)
        if (seen[symbol]) symbols.push_back(static_cast<char>(symbol));
    return symbols;
}

inline Bytes coded_stream(Method method, size_t n, const Bytes& symbols, const Frequencies& f) {
    Bytes out(1, static_cast<char>(method));
    put_number(out, n);
    out.push_back(static_cast<char>(symbols.size() - 1));
    out.append(symbols);
    out.push_back(static_cast<char>(f.order));
    out.push_back(static_cast<char>(f.shift));
    put_bytes(out, pack_frequencies(f));
    return out;
}

inline bool worthwhile(double bits, size_t n) { return bits / 8 + 4 * kLanes < static_cast<double>(n); }

// Empty where a byte a symbol is smaller, as from the function below.
inline Bytes pack_singles(std::string_view bytes, const Bytes& symbols, int max_order) {
    std::array<uint8_t, 256> rank{};
    for (size_t i = 0; i < symbols.size(); ++i) rank[static_cast<uint8_t>(symbols[i])] = static_cast<uint8_t>(i);
    const Ranks ranks(bytes.size(), [&](size_t begin, size_t length, uint8_t* out) {
        for (size_t i = 0; i < length; ++i) out[i] = rank[static_cast<uint8_t>(bytes[begin + i])];
    });
    const int bits = bits_for(symbols.size());
    int top = std::min(max_order, kContextBits / bits);
    // More frequencies than symbols are not worth the time to look at them.
    while (top && size_t{1} << bits * (top + 1) > bytes.size()) --top;
    double cost;
    const Frequencies f = choose_frequencies(count_contexts(ranks, bits, top), bits, top, cost);
    if (!worthwhile(cost, bytes.size())) return {};
    Bytes out = coded_stream(kRans, bytes.size(), symbols, f);
    encode_words(ranks, f, out);
    return out;
}

inline Bytes pack_joined(std::string_view bytes, const Bytes& symbols) {
    std::array<uint8_t, kMostSymbols> from;
    from.fill(255);  // the rank of a byte is how many of the symbols after the first it is at least
    std::memcpy(from.data(), symbols.data(), symbols.size());
    const bool four = symbols.size() == kMostSymbols;
    const auto rank = [&](char byte) {
        const auto symbol = static_cast<uint8_t>(byte);
        return static_cast<uint8_t>((symbol >= from[1]) + (symbol >= from[2]) + (four & (symbol >= from[3])));
    };
    const Ranks ranks((bytes.size() + 1) / 2, [&](size_t begin, size_t length, uint8_t* out) {
        const char* const in = bytes.data() + 2 * begin;
        const size_t whole = std::min(length, bytes.size() / 2 - std::min(bytes.size() / 2, begin));
        for (size_t i = 0; i < whole; ++i)
            out[i] = static_cast<uint8_t>(rank(in[2 * i]) << kSingleBits | rank(in[2 * i + 1]));
        if (whole < length) out[whole] = static_cast<uint8_t>(rank(in[2 * whole]) << kSingleBits);
    });
    constexpr int bits = 2 * kSingleBits, order = kContextBits / bits, single_order = kContextBits / kSingleBits;
    constexpr size_t mask = (size_t{1} << kContextBits) - 1, width = size_t{1} << kSingleBits;
    const std::vector<uint32_t> both = count_contexts(ranks, bits, order);
    std::vector<uint32_t> counts(width << kContextBits);
    for (size_t at = 0; at < both.size(); ++at) {
        const size_t context = at >> bits, first = at >> kSingleBits & (width - 1), second = at & (width - 1);
        counts[context << kSingleBits | first] += both[at];
        counts[((context << kSingleBits | first) & mask) << kSingleBits | second] += both[at];
    }
    double cost;
    const Frequencies f = choose_frequencies(counts, kSingleBits, single_order, cost);
    if (!worthwhile(cost, bytes.size())) return {};
    Bytes out = coded_stream(kJoined, bytes.size(), symbols, f);
    const int shift = std::max(11, f.shift);
    out.push_back(static_cast<char>(shift));
    encode_words(ranks, join_frequencies(f, shift), out);
    return out;
}

inline Bytes pack_bytes(std::string_view bytes, int max_order) {
    constexpr size_t least = 48;  // below this the states and tables outweigh what is saved
    const Bytes symbols = symbols_of(bytes);
    Bytes out;
    if (symbols.size() == 1 && bytes.size() > 1) {
        out.assign(1, static_cast<char>(kRun));
        put_number(out, bytes.size());
        out.push_back(bytes[0]);
        return out;
    }
    const bool joined = symbols.size() >= kLeastSymbols && symbols.size() <= kMostSymbols && bytes.size() >= kLeastJoined;
    if (joined)
        out = pack_joined(bytes, symbols);
    else if (bytes.size() >= least)
        out = pack_singles(bytes, symbols, max_order);
    if (out.empty() || out.size() > bytes.size() + 4) {
        out.assign(1, static_cast<char>(kRaw));
        put_bytes(out, bytes);
    }
    return out;
}

// What a coded stream says before its words: those of `frequencies`, which are of pairs where it is joined.
struct Coded {
    std::array<char, 256> symbols;
    Frequencies frequencies;
};

inline Coded read_coded(Reader& in, uint8_t method) {
    if (method != kRans && method != kJoined) damaged("a stream of unknown method");
    const size_t count = size_t{in.byte()} + 1;
    Coded coded{};
    std::memcpy(coded.symbols.data(), in.take(count).data(), count);
    const int bits = bits_for(count), order = in.byte(), shift = in.byte();
    if (!bits || bits * order > kContextBits || shift < 8 || shift > 12) damaged("a stream of unknown shape");
    coded.frequencies = unpack_frequencies(in.bytes(), bits, order, shift);
    if (method == kJoined) {
        const int joined_shift = in.byte();
        if (bits != kSingleBits || joined_shift < 8 || joined_shift > 12) damaged("a stream of unknown shape");
        coded.frequencies = join_frequencies(coded.frequencies, joined_shift);
    }
    return coded;
}

inline uint64_t checked_length(uint64_t n) {
    constexpr uint64_t most = uint64_t{1} << 40;
    if (n > most) damaged("a stream is too long");
    return n;
}

// Takes all that is left of `in`.
inline Bytes unpack_bytes(Reader& in) {
    const uint8_t method = in.byte();
    const uint64_t n = in.number();
    if (method == kRaw) return Bytes(in.take(n));
    checked_length(n);
    if (method == kRun) return Bytes(n, static_cast<char>(in.byte()));
    const auto [symbols, f] = read_coded(in, method);
    if (method == kRans) {
        Bytes out(n, 0);
        decode_words(in, f, symbols.data(), n, out.data());
        return out;
    }
    Bytes pairs((n + 1) / 2, 0);
    std::array<char, 256> same;
    for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<char>(i);
    decode_words(in, f, same.data(), pairs.size(), pairs.data());
    std::array<std::array<char, 2>, size_t{1} << 2 * kSingleBits> spelled;
    for (size_t i = 0; i < spelled.size(); ++i) spelled[i] = {symbols[i >> kSingleBits], symbols[i & 3]};
    Bytes out(2 * pairs.size(), 0);
    for (size_t i = 0; i < pairs.size(); ++i) std::memcpy(out.data() + 2 * i, spelled[static_cast<size_t>(pairs[i])].data(), 2);
    out.resize(n);
    return out;
}

}  // namespace baselake::columns
