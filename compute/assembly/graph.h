// A de Bruijn graph of the reads of one region: nodes are k-mers, edges are one base long and counted.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace baselake::assembly {

constexpr int MAX_K = 63;  // two bits a base in 128
constexpr int32_t NONE = -1;

struct Edge {
    int32_t from, to;
    int32_t count;  // reads; the reference adds none
    bool reference;
    bool gone;
};

struct Node {
    uint8_t base;               // the last base of its k-mer, as a number
    int32_t reference = NONE;   // where on the reference its k-mer ends
    std::array<int32_t, 4> out{NONE, NONE, NONE, NONE};  // edges by the base they add
    std::vector<int32_t> in;
};

inline int base_number(char base) {
    switch (base) {
        case 'A': return 0;
        case 'C': return 1;
        case 'G': return 2;
        case 'T': return 3;
        default: return NONE;
    }
}

using Kmer = unsigned __int128;

// Node of a k-mer, by open addressing: only ever asked, never walked, so its order cannot show.
class KmerIndex {
  public:
    KmerIndex() { clear(1024); }
    int32_t& operator[](Kmer key) {
        if (2 * ++asked_ > nodes_.size()) grow();
        int32_t& node = nodes_[find(key)];
        if (node != NONE) --asked_;  // nothing new
        return node;
    }

  private:
    void clear(size_t size) {
        keys_.assign(size, 0);
        nodes_.assign(size, NONE);
    }
    size_t find(Kmer key) {
        const auto low = static_cast<uint64_t>(key), high = static_cast<uint64_t>(key >> 64);
        const uint64_t h = (low ^ (high * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
        for (size_t at = (h ^ (h >> 32)) & (nodes_.size() - 1);; at = (at + 1) & (nodes_.size() - 1)) {
            if (nodes_[at] == NONE) keys_[at] = key;
            if (keys_[at] == key) return at;
        }
    }
    void grow() {
        const std::vector<Kmer> keys = std::move(keys_);
        const std::vector<int32_t> nodes = std::move(nodes_);
        clear(2 * nodes.size());
        for (size_t i = 0; i < nodes.size(); ++i)
            if (nodes[i] != NONE) nodes_[find(keys[i])] = nodes[i];
    }

    std::vector<Kmer> keys_;
    std::vector<int32_t> nodes_;
    size_t asked_ = 0;
};

class Graph {
  public:
    std::vector<Node> nodes;
    std::vector<Edge> edges;
    std::vector<int32_t> path;  // nodes of the reference's k-mers, in order

    explicit Graph(int k) : k_(k), mask_((static_cast<Kmer>(1) << (2 * k)) - 1) {}

    int k() const { return k_; }

    std::string kmer(int32_t node) const {
        std::string bases;
        for (int i = k_ - 1; i >= 0; --i) bases.push_back("ACGT"[static_cast<int>(kmers_[static_cast<size_t>(node)] >> (2 * i)) & 3]);
        return bases;
    }

    // False where the reference has a k-mer twice, is shorter than k, or has another base than A, C, G, T.
    bool add_reference(std::string_view bases) {
        const bool whole = std::all_of(bases.begin(), bases.end(), [](char base) { return base_number(base) != NONE; });
        if (!whole || bases.size() <= static_cast<size_t>(k_)) return false;
        bool unique = true;
        each_kmer(bases, [](size_t) { return true; }, [&](size_t end, int32_t node, int32_t before) {
            unique = unique && nodes[static_cast<size_t>(node)].reference == NONE;
            nodes[static_cast<size_t>(node)].reference = static_cast<int32_t>(end);
            path.push_back(node);
            if (before != NONE) edges[static_cast<size_t>(connect(before, node))].reference = true;
        });
        return unique;
    }

    // The stretches of a read whose bases are known and good.
    void add_read(std::string_view bases, const uint8_t* quality, int min_quality) {
        each_kmer(bases, [&](size_t i) { return quality[i] >= min_quality; }, [&](size_t, int32_t node, int32_t before) {
            if (before != NONE) ++edges[static_cast<size_t>(connect(before, node))].count;
        });
    }

    int32_t add_node(int base) {
        nodes.push_back({});
        nodes.back().base = static_cast<uint8_t>(base);
        return static_cast<int32_t>(nodes.size()) - 1;
    }

    // The edge between two nodes, made where there is none.
    int32_t connect(int32_t from, int32_t to) {
        int32_t& edge = nodes[static_cast<size_t>(from)].out[nodes[static_cast<size_t>(to)].base];
        if (!there(edge)) {
            edge = static_cast<int32_t>(edges.size());
            edges.push_back({from, to, 0, false, false});
            nodes[static_cast<size_t>(to)].in.push_back(edge);
        }
        return edge;
    }

    bool there(int32_t edge) const { return edge != NONE && !edges[static_cast<size_t>(edge)].gone; }
    int out_degree(int32_t node) const {
        const auto& out = nodes[static_cast<size_t>(node)].out;
        return static_cast<int>(std::count_if(out.begin(), out.end(), [&](int32_t e) { return there(e); }));
    }
    int in_degree(int32_t node) const {
        const auto& in = nodes[static_cast<size_t>(node)].in;
        return static_cast<int>(std::count_if(in.begin(), in.end(), [&](int32_t e) { return there(e); }));
    }
    int32_t only_out(int32_t node) const {
        for (int32_t e : nodes[static_cast<size_t>(node)].out)
            if (there(e)) return e;
        return NONE;
    }
    int32_t only_in(int32_t node) const {
        for (int32_t e : nodes[static_cast<size_t>(node)].in)
            if (there(e)) return e;
        return NONE;
    }

    // Removes unbranched chains that no edge of has `least` reads or the reference.
    void prune(int least) {
        const auto inner = [&](int32_t node) { return in_degree(node) == 1 && out_degree(node) == 1; };
        std::vector<int32_t> chain, doomed;
        for (size_t first = 0; first < edges.size(); ++first) {
            if (edges[first].gone || inner(edges[first].from)) continue;
            chain.clear();
            bool kept = false;
            for (int32_t e = static_cast<int32_t>(first);; e = only_out(edges[static_cast<size_t>(e)].to)) {
                const Edge& edge = edges[static_cast<size_t>(e)];
                chain.push_back(e);
                kept = kept || edge.reference || edge.count >= least;
                if (!inner(edge.to)) break;
            }
            if (!kept) doomed.insert(doomed.end(), chain.begin(), chain.end());
        }
        for (int32_t e : doomed) edges[static_cast<size_t>(e)].gone = true;
    }

  private:
    template <typename Good, typename Visit> void each_kmer(std::string_view bases, Good good, Visit visit) {
        Kmer key = 0;
        int held = 0;
        int32_t before = NONE;
        for (size_t i = 0; i < bases.size(); ++i) {
            const int base = base_number(bases[i]);
            if (base == NONE || !good(i)) {
                held = 0;
                before = NONE;
                continue;
            }
            key = ((key << 2) | static_cast<Kmer>(base)) & mask_;
            if (++held < k_) continue;
            int32_t& node = index_[key];
            if (node == NONE) {
                node = add_node(base);
                kmers_.push_back(key);
            }
            visit(i, node, before);
            before = node;
        }
    }

    int k_;
    KmerIndex index_;
    Kmer mask_;
    std::vector<Kmer> kmers_;  // of nodes that reads or the reference made, which are the first
};

}  // namespace baselake::assembly
