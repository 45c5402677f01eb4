// Brings the two segments of a template together, in bounded memory, whatever the order of the records.
#pragma once

#include <memory>
#include <unordered_map>

#include "ingest/bam_columns.h"
#include "ingest/bam_spill.h"

namespace baselake::bam {

// A record waits until its mate comes. When those that wait take more than `memory` bytes all of them go to the
// spill file, grouped by a hash of the name, and are matched group by group once all records have been seen.
class Collator {
  public:
    using Held = std::unique_ptr<uint8_t[]>;

    Collator(std::string spill_path, SpillCipher cipher, size_t memory)
        : spill_(std::move(spill_path), std::move(cipher)), memory_(memory) {}

    // The mate that waits for this record, or nothing, after which this record waits for its mate.
    Held match(const Record& record, uint32_t group) {
        const uint64_t hash = hash_of(record.name, group);
        const auto [begin, end] = waiting_.equal_range(hash);
        for (auto it = begin; it != end; ++it) {
            if (!is_mate(Waiting::read(it->second.held.get()), record, group)) continue;
            Held mate = std::move(it->second.held);
            bytes_ -= Waiting::read(mate.get()).bytes() + kOverhead;
            waiting_.erase(it);
            return mate;
        }
        const Waiting entry{group, record.size, record.raw};
        Held held(new uint8_t[entry.bytes()]);
        entry.write(held.get());
        waiting_.emplace(hash, Entry{std::move(held), serial_++});
        bytes_ += entry.bytes() + kOverhead;
        if (bytes_ > memory_) spill();
        return nullptr;
    }

    // After the last record: `again` gets those to be matched once more, `alone` those without a mate, a part at
    // each call. Returns false when nothing is left.
    template <class Again, class Alone>
    bool drain(Again again, Alone alone) {
        if (runs_.empty()) {
            leave(alone);
            return false;
        }
        if (bucket_ == 0) {
            spill();
            memory_ = SIZE_MAX;  // a bucket is matched in memory
        }
        std::vector<uint8_t> part;
        for (const Run& run : runs_) {
            part.resize(run[bucket_ + 1] - run[bucket_]);
            spill_.read(run[bucket_], part.data(), part.size());
            for (size_t at = 0; at < part.size(); at += Waiting::read(&part[at]).bytes())
                again(Waiting::read(&part[at]));
        }
        leave(alone);
        return ++bucket_ < kBuckets;
    }

  private:
    static constexpr size_t kBuckets = 256;
    static constexpr size_t kOverhead = 64;  // of a table entry and an allocation
    using Run = std::array<uint64_t, kBuckets + 1>;  // where each bucket begins in the spill file
    struct Entry {
        Held held;
        uint64_t serial;
    };

    static uint64_t hash_of(std::string_view name, uint32_t group) {
        return std::hash<std::string_view>{}(name) ^ group * 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio
    }
    static std::string_view name_of(const Waiting& entry) {
        return reinterpret_cast<const char*>(entry.raw + kFixedBytes);
    }
    static bool is_mate(const Waiting& entry, const Record& record, uint32_t group) {
        const uint16_t flag = load<uint16_t>(entry.raw + 14);
        const int segment = (flag & kLast) && !(flag & kFirst) ? 2 : 1;
        return entry.group == group && segment != record.segment() && name_of(entry) == record.name;
    }
    std::vector<std::pair<uint64_t, Entry*>> by_bucket() {
        std::vector<std::pair<uint64_t, Entry*>> order;
        order.reserve(waiting_.size());
        for (auto& [hash, entry] : waiting_) order.emplace_back(hash >> 56, &entry);
        std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
            return std::pair(a.first, a.second->serial) < std::pair(b.first, b.second->serial);
        });
        return order;
    }
    void spill() {
        Run run;
        size_t bucket = 0;
        Buffer staged;
        const auto flush = [&] {
            spill_.append(staged.data(), staged.size());
            staged.shrink(staged.size());
        };
        for (const auto& [target, entry] : by_bucket()) {
            for (; bucket <= target; ++bucket) run[bucket] = spill_.size() + staged.size();
            const Waiting waiting = Waiting::read(entry->held.get());
            waiting.write(staged.extend(waiting.bytes()));
            if (staged.size() > (1u << 20)) flush();
        }
        for (; bucket <= kBuckets; ++bucket) run[bucket] = spill_.size() + staged.size();
        flush();
        runs_.push_back(run);
        waiting_.clear();
        bytes_ = 0;
    }
    template <class Alone>
    void leave(Alone alone) {
        std::vector<Entry*> order;
        for (auto& [hash, entry] : waiting_) order.push_back(&entry);
        std::sort(order.begin(), order.end(), [](auto a, auto b) { return a->serial < b->serial; });
        for (const Entry* entry : order) alone(Waiting::read(entry->held.get()));
        waiting_.clear();
        bytes_ = 0;
    }

    SpillFile spill_;
    size_t memory_, bytes_ = 0, bucket_ = 0;
    uint64_t serial_ = 0;
    std::unordered_multimap<uint64_t, Entry> waiting_;
    std::vector<Run> runs_;
};

}  // namespace baselake::bam
