// Sorts records by (refID, POS) in bounded memory; records of the same place stay in the order they came.
#pragma once

#include <memory>
#include <queue>

#include "ingest/bam_columns.h"
#include "ingest/bam_spill.h"

namespace baselake::bam {

// As SAM orders them: by contig of the header, then by POS, those with no contig last.
inline uint64_t place_of(const uint8_t* raw) {
    return uint64_t{load<uint32_t>(raw)} << 32 | static_cast<uint32_t>(load<int32_t>(raw + 4) + 1);
}

class Sorter {
  public:
    Sorter(std::string spill_path, SpillCipher cipher, size_t memory)
        : spill_(std::move(spill_path), std::move(cipher)), memory_(memory) {}

    void add(const Waiting& record) {
        order_.push_back({place_of(record.raw), held_.size()});
        record.write(held_.extend(record.bytes()));
        if (held_.size() + order_.size() * sizeof(Key) > memory_) spill();
    }

    // The next record in order, valid until the next call; false when there are no more. Call after the last add.
    bool next(Waiting& record) {
        if (!merging_) begin_merge();
        if (runs_.empty()) {
            if (taken_ == order_.size()) return false;
            record = Waiting::read(held_.data() + order_[taken_++].offset);
            return true;
        }
        if (current_) advance(*current_);
        if (heap_.empty()) return false;
        current_ = runs_[heap_.top().run].get();
        heap_.pop();
        record = Waiting::read(&current_->buffer[current_->at]);
        return true;
    }

  private:
    struct Key {
        uint64_t place, offset;
        bool operator<(const Key& other) const {
            return std::pair(place, offset) < std::pair(other.place, other.offset);
        }
    };
    struct Run {
        size_t index;
        uint64_t offset, end;  // of what is still in the file
        std::vector<uint8_t> buffer{};
        size_t at = 0;
    };
    struct Head {
        uint64_t place;
        size_t run;
        bool operator<(const Head& other) const {  // the greatest is taken first
            return std::pair(place, run) > std::pair(other.place, other.run);
        }
    };

    void spill() {
        std::sort(order_.begin(), order_.end());
        const uint64_t begin = spill_.size();
        std::vector<uint8_t> staged;
        for (const Key& key : order_) {
            const Waiting record = Waiting::read(held_.data() + key.offset);
            staged.resize(staged.size() + record.bytes());
            record.write(staged.data() + staged.size() - record.bytes());
            if (staged.size() > (1u << 20)) flush(staged);
        }
        flush(staged);
        runs_.push_back(std::make_unique<Run>(Run{runs_.size(), begin, spill_.size()}));
        order_.clear();
        held_.shrink(held_.size());
    }
    void flush(std::vector<uint8_t>& staged) {
        spill_.append(staged.data(), staged.size());
        staged.clear();
    }
    void begin_merge() {
        merging_ = true;
        if (runs_.empty()) return std::sort(order_.begin(), order_.end());
        if (!order_.empty()) spill();
        held_ = Buffer();
        for (const auto& run : runs_) {
            refill(*run);
            push(*run);
        }
    }
    void push(const Run& run) { heap_.push({place_of(run.buffer.data() + run.at + Waiting::kPrefix), run.index}); }
    void advance(Run& run) {
        run.at += Waiting::read(&run.buffer[run.at]).bytes();
        if (run.at == run.buffer.size() && run.offset == run.end) {
            run.buffer = {};
            return;
        }
        refill(run);
        push(run);
    }
    // Makes the record at `run.at` whole in the buffer.
    void refill(Run& run) {
        const auto need = [&run] {
            const bool prefix = run.buffer.size() - run.at >= Waiting::kPrefix;
            return prefix ? Waiting::read(&run.buffer[run.at]).bytes() : Waiting::kPrefix;
        };
        const size_t share = std::clamp<size_t>(memory_ / runs_.size(), 1u << 16, 1u << 22);
        for (size_t missing = need(); run.buffer.size() - run.at < missing; missing = need()) {
            run.buffer.erase(run.buffer.begin(), run.buffer.begin() + static_cast<ptrdiff_t>(run.at));
            run.at = 0;
            const size_t kept = run.buffer.size();
            const size_t bytes = std::min<uint64_t>(std::max(share, missing), run.end - run.offset);
            run.buffer.resize(kept + bytes);
            spill_.read(run.offset, run.buffer.data() + kept, bytes);
            run.offset += bytes;
        }
    }

    SpillFile spill_;
    size_t memory_, taken_ = 0;
    bool merging_ = false;
    Buffer held_;
    std::vector<Key> order_;
    std::vector<std::unique_ptr<Run>> runs_;
    std::priority_queue<Head> heap_;
    Run* current_ = nullptr;
};

}  // namespace baselake::bam
