// Local assembly: the sequences that the reads of a region spell between its ends.
//
// The steps are those GATK documents for its local assembly (Poplin and others 2017, doi:10.1101/201178): graphs of
// several k, rejected where they are not unique or have a cycle, chains of single reads pruned, loose ends joined to
// the reference, the best paths taken.
#pragma once

#include <cmath>
#include <map>

#include "graph.h"

namespace baselake::assembly {

struct Limits {
    int min_quality = 10;     // of a base that enters the graph
    int min_count = 2;        // reads of the strongest edge of a chain
    int max_haplotypes = 16;  // with the reference
    int64_t max_bases = 400'000;  // of reads; what comes after is left out
};

constexpr std::array<int, 2> FIRST_K{10, 25};
constexpr std::array<int, 3> LATER_K{35, 45, 55};  // tried one by one where both first fail
constexpr int MIN_TAIL = 4;        // shorter loose ends are errors at the end of a read
// A loose end is joined where this many bases match: chance does that in a window of a few hundred bases less than
// once in a thousand (4^10 = 10^6).
constexpr int MIN_TAIL_MATCH = 10;
constexpr int MAX_TAIL_SHIFT = 100;

struct Segments {
    int64_t count;
    const int32_t* offsets;
    const uint8_t* bases;
    const uint8_t* quality;

    std::string_view operator[](int64_t i) const {
        return {reinterpret_cast<const char*>(bases) + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
    }
};

struct Assembled {
    std::string bases;
    double cost;  // phred of the share of reads that took each branch of its path
};

// Bases that two sequences share at their ends, or beginnings.
inline int shared_suffix(std::string_view a, std::string_view b) {
    size_t n = 0;
    while (n < a.size() && n < b.size() && a[a.size() - 1 - n] == b[b.size() - 1 - n]) ++n;
    return static_cast<int>(n);
}
inline int shared_prefix(std::string_view a, std::string_view b) {
    size_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return static_cast<int>(n);
}

// Where a loose end ends on the reference: of the places within MAX_TAIL_SHIFT of `expected` the one whose bases match
// longest. NONE where too few match, or two places match alike.
template <typename Matching> int32_t best_place(int32_t expected, int32_t lowest, int32_t highest, Matching matching, int& matched) {
    int32_t best = NONE;
    bool tied = false;
    matched = 0;
    for (int32_t at = std::max(lowest, expected - MAX_TAIL_SHIFT); at <= std::min(highest, expected + MAX_TAIL_SHIFT); ++at) {
        const int n = matching(at);
        if (n < matched) continue;
        tied = n == matched && best != NONE;
        matched = n;
        best = at;
    }
    return tied || matched < MIN_TAIL_MATCH ? NONE : best;
}

// Joins a path that leaves the reference and stops, because the reads that carry a variant end within k bases of it.
inline void join_tail(Graph& graph, std::string_view reference, int32_t leaf) {
    std::string tail;
    int32_t node = leaf;
    while (graph.nodes[static_cast<size_t>(node)].reference == NONE) {
        if (graph.in_degree(node) != 1 || tail.size() > reference.size()) return;
        tail.push_back("ACGT"[graph.nodes[static_cast<size_t>(node)].base]);
        node = graph.edges[static_cast<size_t>(graph.only_in(node))].from;
    }
    std::reverse(tail.begin(), tail.end());
    const int32_t from = graph.nodes[static_cast<size_t>(node)].reference;
    const auto length = static_cast<int32_t>(tail.size());
    if (length < MIN_TAIL) return;
    int matched = 0;
    // The last base of the tail lies at `at`; the next k-mer of the reference must have a node to go on to.
    const int32_t at = best_place(from + length, from + 1, static_cast<int32_t>(reference.size()) - 2,
                                  [&](int32_t end) { return shared_suffix(tail, reference.substr(static_cast<size_t>(from) + 1, static_cast<size_t>(end - from))); }, matched);
    if (at == NONE || at + 1 < graph.k() - 1 || matched == length) return;
    const int32_t next = graph.path[static_cast<size_t>(at + 1 - (graph.k() - 1))];
    graph.edges[static_cast<size_t>(graph.connect(leaf, next))].count += 1;
}

// Joins a path that comes from nowhere to the reference that its first bases match.
inline void join_head(Graph& graph, std::string_view reference, int32_t root, const std::string& first_kmer) {
    std::string head = first_kmer;
    int32_t node = root;
    while (graph.nodes[static_cast<size_t>(node)].reference == NONE) {
        if (graph.out_degree(node) != 1 || head.size() > reference.size()) return;
        node = graph.edges[static_cast<size_t>(graph.only_out(node))].to;
        head.push_back("ACGT"[graph.nodes[static_cast<size_t>(node)].base]);
    }
    const int32_t to = graph.nodes[static_cast<size_t>(node)].reference;
    const auto length = static_cast<int32_t>(head.size());
    if (length - graph.k() < MIN_TAIL) return;
    int matched = 0;
    const int32_t at = best_place(to - length + 1, 0, to - 1, [&](int32_t begin) {
        return shared_prefix(head, reference.substr(static_cast<size_t>(begin), static_cast<size_t>(to - begin)));
    }, matched);
    if (at == NONE || matched >= graph.k()) return;
    const int32_t last = at + matched - 1 - (graph.k() - 1);  // the k-mer that ends with the last base that matches
    if (last < 0) return;
    int32_t before = graph.path[static_cast<size_t>(last)];
    for (int32_t i = matched; i < graph.k() - 1; ++i) {
        const int32_t made = graph.nodes[static_cast<size_t>(before)].out[static_cast<size_t>(base_number(head[static_cast<size_t>(i)]))];
        if (graph.there(made)) return;  // reads already go that way
        const int32_t next = graph.add_node(base_number(head[static_cast<size_t>(i)]));
        graph.edges[static_cast<size_t>(graph.connect(before, next))].count += 1;
        before = next;
    }
    const int32_t made = graph.nodes[static_cast<size_t>(before)].out[graph.nodes[static_cast<size_t>(root)].base];
    if (!graph.there(made)) graph.edges[static_cast<size_t>(graph.connect(before, root))].count += 1;
}

// Nodes that lie between the ends of the reference, in topological order; empty where they form a cycle.
inline std::vector<int32_t> ordered(const Graph& graph) {
    const auto n = graph.nodes.size();
    const auto reach = [&](int32_t first, bool forward) {
        std::vector<uint8_t> seen(n, 0);
        std::vector<int32_t> open{first};
        seen[static_cast<size_t>(first)] = 1;
        while (!open.empty()) {
            const Node& node = graph.nodes[static_cast<size_t>(open.back())];
            open.pop_back();
            const auto visit = [&](int32_t e) {
                if (!graph.there(e)) return;
                const Edge& edge = graph.edges[static_cast<size_t>(e)];
                const int32_t next = forward ? edge.to : edge.from;
                if (!seen[static_cast<size_t>(next)]) seen[static_cast<size_t>(next)] = 1, open.push_back(next);
            };
            if (forward) std::for_each(node.out.begin(), node.out.end(), visit);
            else std::for_each(node.in.begin(), node.in.end(), visit);
        }
        return seen;
    };
    const std::vector<uint8_t> after = reach(graph.path.front(), true), before = reach(graph.path.back(), false);
    const auto between = [&](int32_t node) { return after[static_cast<size_t>(node)] && before[static_cast<size_t>(node)]; };
    std::vector<int> waiting(n, 0);
    size_t wanted = 0;
    for (size_t i = 0; i < n; ++i) wanted += between(static_cast<int32_t>(i));
    for (const Edge& edge : graph.edges)
        if (!edge.gone && between(edge.from) && between(edge.to)) ++waiting[static_cast<size_t>(edge.to)];
    std::vector<int32_t> order{graph.path.front()};
    if (waiting[static_cast<size_t>(order.front())]) return {};
    for (size_t i = 0; i < order.size(); ++i)
        for (int32_t e : graph.nodes[static_cast<size_t>(order[i])].out)
            if (graph.there(e))
                if (const int32_t to = graph.edges[static_cast<size_t>(e)].to; between(to) && --waiting[static_cast<size_t>(to)] == 0) order.push_back(to);
    return order.size() == wanted ? order : std::vector<int32_t>{};
}

// The likeliest paths from one end of the reference to the other: at each node the best partial ones are kept.
inline std::vector<Assembled> best_paths(const Graph& graph, std::string_view reference, size_t most) {
    const std::vector<int32_t> order = ordered(graph);
    if (order.empty()) return {};
    struct Partial {
        double cost;
        int32_t edge;  // by which it came
        int32_t rank;  // which of the partial paths of the node before
    };
    std::vector<int32_t> place(graph.nodes.size(), NONE);
    for (size_t i = 0; i < order.size(); ++i) place[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
    std::vector<std::vector<Partial>> partial(order.size());
    partial[0].push_back({0, NONE, 0});
    for (size_t i = 0; i < order.size(); ++i) {
        std::vector<Partial>& here = partial[i];
        std::sort(here.begin(), here.end(), [](const Partial& a, const Partial& b) {
            return std::tie(a.cost, a.edge, a.rank) < std::tie(b.cost, b.edge, b.rank);
        });
        if (here.size() > most) here.resize(most);
        double total = 0;
        const Node& node = graph.nodes[static_cast<size_t>(order[i])];
        for (int32_t e : node.out)
            if (graph.there(e)) total += std::max(graph.edges[static_cast<size_t>(e)].count, 1);
        for (int32_t e : node.out) {
            if (!graph.there(e)) continue;
            const Edge& edge = graph.edges[static_cast<size_t>(e)];
            const int32_t next = place[static_cast<size_t>(edge.to)];
            if (next == NONE) continue;
            const double step = -10 * std::log10(std::max(edge.count, 1) / total);
            for (size_t rank = 0; rank < here.size(); ++rank)
                partial[static_cast<size_t>(next)].push_back({here[rank].cost + step, e, static_cast<int32_t>(rank)});
        }
    }
    std::vector<Assembled> out;
    for (const Partial& end : partial[static_cast<size_t>(place[static_cast<size_t>(graph.path.back())])]) {
        std::string bases;
        for (Partial at = end; at.edge != NONE;) {
            const Edge& edge = graph.edges[static_cast<size_t>(at.edge)];
            bases.push_back("ACGT"[graph.nodes[static_cast<size_t>(edge.to)].base]);
            at = partial[static_cast<size_t>(place[static_cast<size_t>(edge.from)])][static_cast<size_t>(at.rank)];
        }
        std::reverse(bases.begin(), bases.end());
        out.push_back({std::string(reference.substr(0, static_cast<size_t>(graph.k()))) + bases, end.cost});
    }
    return out;
}

// The haplotypes of one k; none where the graph cannot be used.
inline std::vector<Assembled> assemble_with(int k, std::string_view reference, const Segments& reads, const Limits& limits) {
    int64_t bases = 0, used = 0;
    for (; used < reads.count && bases < limits.max_bases; ++used) bases += static_cast<int64_t>(reads[used].size());
    Graph graph(k);
    if (!graph.add_reference(reference)) return {};
    for (int64_t i = 0; i < used; ++i) graph.add_read(reads[i], reads.quality + reads.offsets[i], limits.min_quality);
    graph.prune(limits.min_count);
    const auto nodes = static_cast<int32_t>(graph.nodes.size());
    for (int32_t node = 0; node < nodes; ++node) {
        if (graph.nodes[static_cast<size_t>(node)].reference != NONE) continue;
        const bool in = graph.in_degree(node), out = graph.out_degree(node);
        if (in && !out) join_tail(graph, reference, node);
        if (out && !in) join_head(graph, reference, node, graph.kmer(node));
    }
    return best_paths(graph, reference, static_cast<size_t>(limits.max_haplotypes));
}

// The reference and the sequences that reads spell from its first to its last base, the likeliest first, at most
// `max_haplotypes`. Reads are taken in the order given.
inline std::vector<Assembled> assemble(std::string_view reference, const Segments& reads, const Limits& limits) {
    std::map<std::string, double> found;
    bool usable = false;
    const auto add = [&](int k) {
        const std::vector<Assembled> paths = assemble_with(k, reference, reads, limits);
        usable = usable || !paths.empty();
        for (const Assembled& path : paths) {
            const auto [at, fresh] = found.try_emplace(path.bases, path.cost);
            if (!fresh) at->second = std::min(at->second, path.cost);
        }
    };
    for (int k : FIRST_K) add(k);
    for (size_t i = 0; i < LATER_K.size() && !usable; ++i) add(LATER_K[i]);
    std::vector<Assembled> out{{std::string(reference), 0}}, others;
    for (const auto& [bases, cost] : found)
        if (bases != reference) others.push_back({bases, cost});
    std::stable_sort(others.begin(), others.end(), [](const Assembled& a, const Assembled& b) { return a.cost < b.cost; });
    for (size_t i = 0; i < others.size() && out.size() < static_cast<size_t>(limits.max_haplotypes); ++i) out.push_back(others[i]);
    return out;
}

// Distinct sequences that at least `least` reads spell alike from one anchor to the other, the commonest first. Where
// reads span a region whole they need no graph.
inline std::vector<std::pair<std::string, int32_t>> counted_segments(const std::vector<std::string_view>& spanning, int32_t least) {
    std::map<std::string_view, int32_t> counts;
    for (std::string_view one : spanning) ++counts[one];
    std::vector<std::pair<std::string, int32_t>> out;
    for (const auto& [bases, count] : counts)
        if (count >= least) out.push_back({std::string(bases), count});
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    return out;
}

}  // namespace baselake::assembly
