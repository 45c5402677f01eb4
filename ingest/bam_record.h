// One BAM record, checked against SAMv1 section 4.2 before anything else looks at it.
#pragma once

#include <limits>
#include <string_view>

#include "lake/bam_format.h"

namespace baselake::bam {

struct Record {
    const uint8_t* raw;  // from refID on, without block_size
    uint32_t size;
    int32_t ref_id, pos, next_ref_id, next_pos, tlen, l_seq;
    int64_t reference_bases;  // that the CIGAR covers
    uint16_t flag;
    uint8_t mapq;
    std::string_view name;
    const uint8_t* cigar;  // the CG field's where there is one
    uint32_t n_cigar;
    const uint8_t* seq;
    const uint8_t* qual;
    const uint8_t* aux;
    const uint8_t* end;
    const uint8_t* cg_field;  // to be left out of the tags, since `cigar` has it; nullptr: none
    const uint8_t* cg_end;
    std::string_view rg;  // value of RG:Z; no data pointer where there is none

    bool primary() const { return !(flag & (kSecondary | kSupplementary)); }
    int segment() const { return (flag & kLast) && !(flag & kFirst) ? 2 : 1; }
    int64_t end_position() const { return pos + (reference_bases ? reference_bases : 1); }
    size_t tag_bytes() const { return static_cast<size_t>(end - aux) - static_cast<size_t>(cg_end - cg_field); }
};

inline bool printable(std::string_view text) {
    const char* const at = text.data();
    const size_t size = text.size();
    uint8_t bad = 0;  // without an early exit and with a plain index the loop becomes vector code
    for (size_t i = 0; i < size; ++i) bad |= static_cast<uint8_t>((at[i] < ' ') | (at[i] > '~'));
    return !bad;
}

// Walks the auxiliary fields; returns the reason they are no good, or nullptr.
inline const char* check_tags(Record& record) {
    record.rg = {};
    record.cg_field = record.cg_end = nullptr;
    for (const uint8_t *field = record.aux, *next; field != record.end; field = next) {
        next = next_field(field, record.end);
        if (!next) return "an auxiliary field is cut off or of unknown type";
        const uint16_t tag = load<uint16_t>(field);
        if (tag == tag_code('R', 'G') && field[2] == 'Z') {
            record.rg = {reinterpret_cast<const char*>(field + 3), static_cast<size_t>(next - field) - 4};
        } else if (tag == tag_code('C', 'G') && field[2] == 'B' && (field[3] == 'I' || field[3] == 'i')) {
            record.cg_field = field;
            record.cg_end = next;
        }
    }
    return nullptr;
}

// Takes the CIGAR from the CG field where the record only has the stand-in `<l_seq>S<n>N` (SAMv1, 4.2.2).
inline const char* check_cigar(Record& record) {
    const bool stand_in = record.cg_field && record.n_cigar &&
                          load<uint32_t>(record.cigar) == (static_cast<uint32_t>(record.l_seq) << 4 | kSoftClip);
    if (stand_in) {
        record.n_cigar = load<uint32_t>(record.cg_field + 4);
        record.cigar = record.cg_field + 8;
    } else {
        record.cg_field = record.cg_end = nullptr;
    }
    int64_t query = 0, reference = 0;
    for (uint32_t i = 0; i < record.n_cigar; ++i) {
        const uint32_t element = load<uint32_t>(record.cigar + 4 * size_t{i});
        const uint32_t op = element & 15;
        if (op >= kCigarOpCount) return "CIGAR has an operation code above 8";
        query += (kQueryOps >> op & 1) * int64_t{element >> 4};
        reference += (kReferenceOps >> op & 1) * int64_t{element >> 4};
    }
    record.reference_bases = reference;
    if (record.n_cigar && record.l_seq && query != record.l_seq) return "CIGAR and SEQ are of different length";
    if (record.pos + reference > std::numeric_limits<int32_t>::max()) return "the alignment ends beyond 2^31 - 1";
    return nullptr;
}

inline const char* check_qualities(const Record& record) {
    if (!record.l_seq || record.qual[0] == kNoQuality) return nullptr;
    const uint8_t* const qual = record.qual;
    const auto size = static_cast<size_t>(record.l_seq);
    uint8_t bad = 0;
    for (size_t i = 0; i < size; ++i) bad |= static_cast<uint8_t>(qual[i] > kMaxQuality);
    return bad ? "a base quality is above 93" : nullptr;
}

// Reads the record of `size` bytes at `raw` into `record`; returns why it is no record, or nullptr.
inline const char* parse(const uint8_t* raw, uint32_t size, int32_t contigs, Record& record) {
    record.raw = raw;
    record.size = size;
    record.ref_id = load<int32_t>(raw);
    record.pos = load<int32_t>(raw + 4);
    const uint32_t l_name = raw[8];
    record.mapq = raw[9];
    record.n_cigar = load<uint16_t>(raw + 12);
    record.flag = load<uint16_t>(raw + 14);
    record.l_seq = load<int32_t>(raw + 16);
    record.next_ref_id = load<int32_t>(raw + 20);
    record.next_pos = load<int32_t>(raw + 24);
    record.tlen = load<int32_t>(raw + 28);
    if (record.l_seq < 0) return "l_seq is negative";
    const uint64_t fixed = kFixedBytes + l_name + uint64_t{4} * record.n_cigar +
                           (static_cast<uint64_t>(record.l_seq) + 1) / 2 + static_cast<uint64_t>(record.l_seq);
    if (fixed > size) return "block_size is too small for its name, CIGAR, bases and qualities";
    if (record.ref_id < -1 || record.ref_id >= contigs) return "refID is no line of the header's @SQ";
    if (record.next_ref_id < -1 || record.next_ref_id >= contigs) return "next_refID is no line of the header's @SQ";
    if (record.pos < -1 || record.next_pos < -1) return "a position is negative";
    const char* name = reinterpret_cast<const char*>(raw + kFixedBytes);
    if (l_name < 2 || name[l_name - 1] != 0) return "the read name is empty or does not end in NUL";
    record.name = {name, l_name - 1};
    // Some writers pad names with further NULs, to align what follows.
    while (record.name.size() > 1 && record.name.back() == 0) record.name.remove_suffix(1);
    if (!printable(record.name)) return "the read name has characters that cannot be printed";
    record.cigar = raw + kFixedBytes + l_name;
    record.seq = record.cigar + size_t{4} * record.n_cigar;
    record.qual = record.seq + (static_cast<size_t>(record.l_seq) + 1) / 2;
    record.aux = record.qual + record.l_seq;
    record.end = raw + size;
    if (const char* reason = check_tags(record)) return reason;
    if (const char* reason = check_cigar(record)) return reason;
    return check_qualities(record);
}

}  // namespace baselake::bam
