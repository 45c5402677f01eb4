// BAM records as columns: growing Arrow buffers for the rows of `alignments` and `read_records`.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "ingest/bam_record.h"

namespace baselake::bam {

// Bytes that grow without being cleared first, and are handed to Arrow without a copy.
class Buffer {
  public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        return *this;
    }
    ~Buffer() { std::free(data_); }

    uint8_t* extend(size_t bytes) {
        if (size_ + bytes > capacity_ || !data_) reserve(std::max(size_ + bytes, capacity_ + capacity_ / 2 + 4096));
        uint8_t* at = data_ + size_;
        size_ += bytes;
        return at;
    }
    void shrink(size_t bytes) { size_ -= bytes; }
    // Takes what `other` has taken so far at once, rather than bit by bit.
    void reserve_like(const Buffer& other) {
        if (other.size_ > capacity_) reserve(other.size_);
    }
    template <class T>
    void push(T value) { store(extend(sizeof value), value); }
    const uint8_t* data() const { return data_; }
    size_t size() const { return size_; }
    uint8_t* release() {
        size_ = capacity_ = 0;
        return std::exchange(data_, nullptr);
    }

  private:
    void reserve(size_t bytes) {
        void* grown = std::realloc(data_, bytes);
        if (!grown) throw std::bad_alloc();
        data_ = static_cast<uint8_t*>(grown);
        capacity_ = bytes;
    }
    uint8_t* data_ = nullptr;
    size_t size_ = 0, capacity_ = 0;
};

// One Arrow column. `valid` has a byte a row, and only from the first NULL on; `offsets` is empty but for text;
// truth values are held as bytes.
struct Column {
    const char* name;
    bool truth = false;
    Buffer values{}, offsets{}, valid{};
    size_t rows = 0, nulls = 0;

    template <class T>
    void number(T value) {
        values.push(value);
        row(true);
    }
    template <class T>
    void number_or_null(T value, bool present) {
        values.push(value);
        row(present);
    }
    // Room for a text of `bytes`; the caller fills it.
    uint8_t* text(size_t bytes) {
        uint8_t* at = values.extend(bytes);
        end_text();
        return at;
    }
    void text(std::string_view value) { std::memcpy(text(value.size()), value.data(), value.size()); }
    void reserve_like(const Column& other) {
        values.reserve_like(other.values);
        offsets.reserve_like(other.offsets);
        valid.reserve_like(other.valid);
    }
    void end_text() { offset_and_row(true); }
    void null_text() { offset_and_row(false); }

  private:
    void offset_and_row(bool present) {
        if (!rows) offsets.push(int32_t{0});
        offsets.push(static_cast<int32_t>(values.size()));
        row(present);
    }
    void row(bool present) {
        if (!present && !nulls) std::memset(valid.extend(rows), 1, rows);
        nulls += !present;
        ++rows;
        if (nulls) valid.push(static_cast<uint8_t>(present));
    }
};

struct BasePairs {
    std::array<std::array<char, 2>, 256> forward, complement;
};

// Two bases at a byte: as they are, and complemented in reverse order. The complement of a 4-bit code is the
// code with its bits reversed, since each bit stands for A, C, G or T; '=' stays '='.
inline const BasePairs kPairs = [] {
    BasePairs pairs{};
    constexpr auto reversed = [](int code) {
        return (code & 1) << 3 | (code & 2) << 1 | (code & 4) >> 1 | (code & 8) >> 3;
    };
    for (int byte = 0; byte < 256; ++byte) {
        pairs.forward[static_cast<size_t>(byte)] = {kBases[byte >> 4], kBases[byte & 15]};
        pairs.complement[static_cast<size_t>(byte)] = {kBases[reversed(byte & 15)], kBases[reversed(byte >> 4)]};
    }
    return pairs;
}();

inline void unpack_bases(const uint8_t* packed, size_t bases, uint8_t* out) {
    for (size_t i = 0; i < bases / 2; ++i) std::memcpy(out + 2 * i, kPairs.forward[packed[i]].data(), 2);
    if (bases & 1) out[bases - 1] = static_cast<uint8_t>(kPairs.forward[packed[bases / 2]][0]);
}

inline void unpack_reverse_complement(const uint8_t* packed, size_t bases, uint8_t* out) {
    uint8_t* at = out + bases;
    for (size_t i = 0; i < bases / 2; ++i) std::memcpy(at -= 2, kPairs.complement[packed[i]].data(), 2);
    if (bases & 1) *out = static_cast<uint8_t>(kPairs.complement[packed[bases / 2]][1]);
}

inline void write_qualities(const uint8_t* qual, size_t bases, uint8_t* out) {
    for (size_t i = 0; i < bases; ++i) out[i] = static_cast<uint8_t>(qual[i] + 33);
}

inline void write_cigar(const Record& record, Column& column) {
    if (!record.n_cigar) return column.null_text();
    constexpr size_t widest = 10;  // 2^28 - 1 has nine digits, and the operation
    uint8_t* const begin = column.values.extend(widest * record.n_cigar);
    uint8_t* at = begin;
    for (uint32_t i = 0; i < record.n_cigar; ++i) {
        const uint32_t element = load<uint32_t>(record.cigar + 4 * size_t{i});
        uint8_t digits[widest];
        uint8_t* first = digits + widest;
        uint32_t count = element >> 4;
        do *--first = static_cast<uint8_t>('0' + count % 10);
        while (count /= 10);
        at = std::copy(first, digits + widest, at);
        *at++ = static_cast<uint8_t>(kCigarOps[element & 15]);
    }
    column.values.shrink(widest * record.n_cigar - static_cast<size_t>(at - begin));
    column.end_text();
}

// Rows of `alignments`, without the columns that are the same in all of them (reference, sample_id, contig).
class AlignmentRows {
  public:
    void add(const Record& record, std::string_view read_group, std::string_view next_contig) {
        read_group_id_.text(read_group);
        name_.text(record.name);
        flag_.number(int32_t{record.flag});
        start_.number_or_null(record.pos, record.pos >= 0);
        end_.number_or_null(static_cast<int32_t>(record.end_position()), record.pos >= 0);
        mapq_.number(int16_t{record.mapq});
        write_cigar(record, cigar_);
        if (next_contig.data()) next_contig_.text(next_contig); else next_contig_.null_text();
        next_start_.number_or_null(record.next_pos, record.next_pos >= 0);
        tlen_.number(record.tlen);
        duplicate_.number(static_cast<uint8_t>((record.flag & kDuplicate) != 0));
        if (record.tag_bytes()) add_tags(record); else tags_.null_text();
        const auto bases = static_cast<size_t>(record.l_seq);
        if (bases) unpack_bases(record.seq, bases, seq_.text(bases)); else seq_.null_text();
        if (!bases || record.qual[0] == kNoQuality) return qual_.null_text();
        write_qualities(record.qual, bases, qual_.text(bases));
    }
    size_t rows() const { return name_.rows; }
    std::array<Column*, 14> columns() {
        return {&read_group_id_, &name_, &flag_, &start_, &end_, &mapq_, &cigar_, &next_contig_, &next_start_, &tlen_,
                &seq_, &qual_, &tags_, &duplicate_};
    }

  private:
    void add_tags(const Record& record) {
        uint8_t* at = tags_.text(record.tag_bytes());
        const uint8_t* resume = record.cg_field ? record.cg_end : record.aux;
        if (record.cg_field) at = std::copy(record.aux, record.cg_field, at);
        std::copy(resume, record.end, at);
    }
    Column read_group_id_{"read_group_id"}, name_{"name"}, flag_{"flag"}, start_{"start"}, end_{"end"},
        mapq_{"mapq"}, cigar_{"cigar"}, next_contig_{"next_contig"}, next_start_{"next_start"}, tlen_{"tlen"},
        seq_{"seq"}, qual_{"qual"}, tags_{"tags"}, duplicate_{"duplicate", true};
};

// A set of two-letter tags.
class TagSet {
  public:
    explicit TagSet(const std::vector<std::string>& tags) : has_(65536) {
        for (const std::string& tag : tags) has_[tag_code(tag.at(0), tag.at(1))] = true;
    }
    bool has(uint16_t tag) const { return has_[tag]; }

  private:
    std::vector<bool> has_;
};

// Rows of `read_records`, without run_id, lane and read_group_id, which are the same in all of them.
class ReadRows {
  public:
    // Appends a primary record as it left the sequencer. `aligner_tags` are left out of mapped records, whose
    // alignment keeps them; an unmapped record keeps all its tags.
    void add(const Record& record, const TagSet& aligner_tags) {
        name_.text(record.name);
        segment_.number(static_cast<int8_t>(record.segment()));
        filtered_.number(static_cast<uint8_t>((record.flag & kFiltered) != 0));
        add_tags(record, aligner_tags);
        const auto bases = static_cast<size_t>(record.l_seq);
        const bool reverse = record.flag & kReverse;
        if (!bases) return seq_.null_text(), qual_.null_text();
        uint8_t* const seq = seq_.text(bases);
        if (reverse) unpack_reverse_complement(record.seq, bases, seq); else unpack_bases(record.seq, bases, seq);
        if (record.qual[0] == kNoQuality) return qual_.null_text();
        uint8_t* const qual = qual_.text(bases);
        write_qualities(record.qual, bases, qual);
        if (reverse) std::reverse(qual, qual + bases);
    }
    size_t rows() const { return name_.rows; }
    std::array<Column*, 11> columns() {
        return {&name_, &segment_, &seq_, &qual_, &index1_seq_, &index1_qual_, &index2_seq_, &index2_qual_, &umi_,
                &tags_, &filtered_};
    }

  private:
    void add_tags(const Record& record, const TagSet& aligner_tags) {
        const bool mapped = !(record.flag & kUnmapped);
        std::string_view barcode, barcode_quality, umi;
        uint8_t* const begin = tags_.values.extend(record.tag_bytes());
        uint8_t* at = begin;
        for (const uint8_t *field = record.aux, *next; field != record.end; field = next) {
            next = next_field(field, record.end);
            const uint16_t tag = load<uint16_t>(field);
            if (field[2] == 'Z') {
                const auto* const value = reinterpret_cast<const char*>(field + 3);
                const std::string_view text{value, static_cast<size_t>(next - field) - 4};
                if (tag == tag_code('B', 'C')) barcode = text;
                if (tag == tag_code('Q', 'T')) barcode_quality = text;
                if (tag == tag_code('R', 'X')) umi = text;
            }
            if (field != record.cg_field && !(mapped && aligner_tags.has(tag))) at = std::copy(field, next, at);
        }
        tags_.values.shrink(record.tag_bytes() - static_cast<size_t>(at - begin));
        if (at != begin) tags_.end_text(); else tags_.null_text();
        add_index(barcode, '-', index1_seq_, index2_seq_);
        add_index(barcode_quality, ' ', index1_qual_, index2_qual_);
        if (printable(umi) && umi.data()) umi_.text(umi); else umi_.null_text();
    }
    // SAMtags: the barcodes of a dual index stand in BC with '-' between them, their qualities in QT with ' '.
    static void add_index(std::string_view both, char between, Column& first, Column& second) {
        if (!both.data() || !printable(both)) return first.null_text(), second.null_text();
        const size_t cut = both.find(between);
        first.text(both.substr(0, cut));
        if (cut == both.npos) second.null_text(); else second.text(both.substr(cut + 1));
    }
    Column name_{"name"}, segment_{"segment"}, seq_{"seq"}, qual_{"qual"}, index1_seq_{"index1_seq"},
        index1_qual_{"index1_qual"}, index2_seq_{"index2_seq"}, index2_qual_{"index2_qual"}, umi_{"umi"},
        tags_{"tags"}, filtered_{"filtered", true};
};

// The rows, leaving empty ones with as much room.
template <class Rows>
Rows take_rows(Rows& rows) {
    Rows taken = std::exchange(rows, {});
    const auto from = taken.columns(), to = rows.columns();
    for (size_t i = 0; i < from.size(); ++i) to[i]->reserve_like(*from[i]);
    return taken;
}

}  // namespace baselake::bam
