// What BAM records are made of, for those who read them (ingest) and those who write them (catalog/export).
// Source of every number and letter: SAMv1, sections 1.4 and 4.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace baselake::bam {

inline constexpr char kBases[] = "=ACMGRSVTWYHKDBN";   // 4-bit code -> base
inline constexpr char kCigarOps[] = "MIDNSHP=X";       // CIGAR code -> operation
inline constexpr uint32_t kCigarOpCount = 9;
inline constexpr uint32_t kQueryOps = 0b1'1001'0011;   // bit per code: M I S = X take bases of the read
inline constexpr uint32_t kReferenceOps = 0b1'1000'1101;  // bit per code: M D N = X take bases of the reference
inline constexpr uint32_t kSoftClip = 4;
inline constexpr uint32_t kSkip = 3;
inline constexpr uint32_t kMaxCigarField = 65535;  // more operations go to the CG tag
inline constexpr size_t kFixedBytes = 32;          // of a record, after block_size
// Of one record. SAM sets no limit below 2^31; the longest reads sequenced so far need about 10 MB.
inline constexpr uint32_t kMaxRecordBytes = 1u << 29;
inline constexpr uint8_t kNoQuality = 0xff;
inline constexpr uint8_t kMaxQuality = 93;  // '~' in SAM

enum Flag : uint16_t {
    kPaired = 0x1,
    kUnmapped = 0x4,
    kReverse = 0x10,
    kFirst = 0x40,
    kLast = 0x80,
    kSecondary = 0x100,
    kFiltered = 0x200,
    kDuplicate = 0x400,
    kSupplementary = 0x800,
};

// BAM is little-endian and its fields are unaligned; so are the machines we build for.
template <class T>
inline T load(const void* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

template <class T>
inline void store(void* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

constexpr uint16_t tag_code(char a, char b) {
    return static_cast<uint16_t>(static_cast<uint8_t>(a) | static_cast<uint8_t>(b) << 8);
}

// Bytes of one value of an auxiliary field's type; 0 for Z, H, B and what is no type.
constexpr uint32_t value_bytes(char type) {
    switch (type) {
        case 'A': case 'c': case 'C': return 1;
        case 's': case 'S': return 2;
        case 'i': case 'I': case 'f': return 4;
        default: return 0;
    }
}

// One past the auxiliary field (tag, type, value) at `field`, or nullptr where it is cut off or has no known type.
inline const uint8_t* next_field(const uint8_t* field, const uint8_t* end) {
    if (end - field < 4) return nullptr;
    const char type = static_cast<char>(field[2]);
    const uint8_t* value = field + 3;
    if (const uint32_t size = value_bytes(type)) return static_cast<size_t>(end - value) < size ? nullptr : value + size;
    if (type == 'Z' || type == 'H') {
        const void* nul = std::memchr(value, 0, static_cast<size_t>(end - value));
        return nul ? static_cast<const uint8_t*>(nul) + 1 : nullptr;
    }
    if (type != 'B' || end - value < 5) return nullptr;
    const uint64_t each = value[0] == 'A' ? 0 : value_bytes(static_cast<char>(value[0]));
    const uint64_t bytes = each * load<uint32_t>(value + 1);
    return each && bytes <= static_cast<uint64_t>(end - value - 5) ? value + 5 + bytes : nullptr;
}

}  // namespace baselake::bam
