// A set of very many names, kept as 64-bit hashes, and the search for any of them in any bytes.
//
// A name ends where a byte follows that is neither letter nor digit, and begins likewise: "r1" is not found in "r10".
// Whether a name could end at a byte is told by the eight bytes before it, of which a bit array knows all that names
// end in; only then is each length that a name has hashed and looked up.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

namespace py = pybind11;

namespace {

using Offsets = py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>;
using Bytes = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;

constexpr std::size_t LONGEST = 254;  // of a QNAME (SAMv1, section 1.4)
constexpr std::size_t TAIL = 8;

bool is_word(std::uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::uint64_t mix(std::uint64_t x) {  // the finaliser of MurmurHash3, public domain
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

std::uint64_t hashed(const std::uint8_t* bytes, std::size_t length) {
    std::uint64_t value = mix(length + 0x9e3779b97f4a7c15ULL), word = 0;
    for (; length >= 8; bytes += 8, length -= 8) {
        std::memcpy(&word, bytes, 8);
        value = mix(value ^ word) * 0x9e3779b97f4a7c15ULL;
    }
    word = 0;
    if (length) std::memcpy(&word, bytes, length);  // GCC dislikes a null pointer even for no bytes
    value = mix(value ^ word);
    return value ? value : 1;  // 0 is an empty slot
}

// The last bytes of a name, at most eight: shorter names are kept by themselves.
std::uint64_t tail(const std::uint8_t* end, std::size_t length) {
    std::uint64_t word = 0;
    std::memcpy(&word, end - length, length);
    return mix(word ^ (std::uint64_t{length} << 56));
}

class NameSet {
  public:
    // `most`: names kept at most; where more are added, those of every second, fourth, ... hash are.
    explicit NameSet(std::size_t most) : most_(most), slots_(1024, 0), ends_(1 << 10, 0) {}

    void add(const Offsets& offsets, const Bytes& data) {
        const std::int32_t* at = offsets.data();
        const std::uint8_t* bytes = data.data();
        const py::ssize_t rows = offsets.size() - 1;
        py::gil_scoped_release released;
        for (py::ssize_t i = 0; i < rows; ++i) {
            const std::size_t length = static_cast<std::size_t>(at[i + 1] - at[i]);
            if (length == 0 || length > LONGEST) continue;
            const std::uint8_t* name = bytes + at[i];
            const std::uint64_t hash = hashed(name, length);
            if (hash % every_ != 0 || !put(hash)) continue;
            lengths_[length] = true;
            note_end(tail(name + length, std::min(length, TAIL)));
        }
    }

    // Takes names out again; the number that were there.
    std::size_t remove(const Offsets& offsets, const Bytes& data) {
        const std::int32_t* at = offsets.data();
        const std::uint8_t* bytes = data.data();
        const py::ssize_t rows = offsets.size() - 1;
        std::size_t removed = 0;
        py::gil_scoped_release released;
        for (py::ssize_t i = 0; i < rows; ++i) {
            const std::size_t slot = find(hashed(bytes + at[i], static_cast<std::size_t>(at[i + 1] - at[i])));
            if (slots_[slot] == 0 || gone_[slot]) continue;
            gone_[slot] = true;
            --count_;
            ++removed;
        }
        return removed;
    }

    // How many rows of a column are names of the set.
    std::size_t matches(const Offsets& offsets, const Bytes& data) const {
        const std::int32_t* at = offsets.data();
        const std::uint8_t* bytes = data.data();
        const py::ssize_t rows = offsets.size() - 1;
        std::size_t found = 0;
        py::gil_scoped_release released;
        for (py::ssize_t i = 0; i < rows; ++i)
            found += has(bytes + at[i], static_cast<std::size_t>(at[i + 1] - at[i]));
        return found;
    }

    // How many names end in bytes[from:]; before `from` stands what they may begin in.
    std::size_t occurrences(const py::buffer& buffer, std::size_t from) const {
        const py::buffer_info info = buffer.request();
        const auto* bytes = static_cast<const std::uint8_t*>(info.ptr);
        const auto size = static_cast<std::size_t>(info.size * info.itemsize);
        std::vector<std::size_t> shorter, longer;
        for (std::size_t length = 1; length <= LONGEST; ++length)
            if (lengths_[length]) (length < TAIL ? shorter : longer).push_back(length);
        std::size_t found = 0;
        py::gil_scoped_release released;
        for (std::size_t end = from + 1; end <= size; ++end) {
            if (end < size && is_word(bytes[end])) continue;
            for (const std::size_t length : shorter)
                found += length <= end && ends_at(tail(bytes + end, length)) && stands(bytes, end, length);
            if (end < TAIL || longer.empty() || !ends_at(tail(bytes + end, TAIL))) continue;
            for (const std::size_t length : longer)
                found += length <= end && stands(bytes, end, length);
        }
        return found;
    }

    std::size_t size() const { return count_; }
    std::uint64_t every() const { return every_; }

  private:
    std::size_t find(std::uint64_t hash) const {
        std::size_t slot = mix(hash) & (slots_.size() - 1);
        while (slots_[slot] != 0 && slots_[slot] != hash) slot = (slot + 1) & (slots_.size() - 1);
        return slot;
    }

    bool put(std::uint64_t hash) {
        const std::size_t slot = find(hash);
        if (slots_[slot] == hash) return false;
        slots_[slot] = hash;
        if (++count_ > most_) {
            every_ *= 2;
            rebuild(slots_.size());
        } else if (count_ * 2 > slots_.size()) {
            rebuild(slots_.size() * 2);
        }
        return hash % every_ == 0;
    }

    void rebuild(std::size_t size) {
        std::vector<std::uint64_t> old(size, 0);
        old.swap(slots_);
        gone_.assign(size, false);
        count_ = 0;
        for (const std::uint64_t hash : old)
            if (hash && hash % every_ == 0) {
                slots_[find(hash)] = hash;
                ++count_;
            }
    }

    // The bits of what names end in; twice as many when one in sixteen is set.
    void note_end(std::uint64_t key) {
        std::uint64_t& word = ends_[(key & (ends_.size() * 64 - 1)) / 64];
        const std::uint64_t bit = std::uint64_t{1} << (key % 64);
        tails_.push_back(key);
        set_ += !(word & bit);
        word |= bit;
        if (set_ * 4 > ends_.size() * 64 && ends_.size() < (std::size_t{1} << 24)) {
            ends_.assign(ends_.size() * 4, 0);
            set_ = 0;
            std::vector<std::uint64_t> again;
            again.swap(tails_);
            for (const std::uint64_t each : again) {
                std::uint64_t& place = ends_[(each & (ends_.size() * 64 - 1)) / 64];
                set_ += !(place & (std::uint64_t{1} << (each % 64)));
                place |= std::uint64_t{1} << (each % 64);
            }
            again.swap(tails_);
        }
        if (ends_.size() >= (std::size_t{1} << 24)) std::vector<std::uint64_t>().swap(tails_);
    }

    bool ends_at(std::uint64_t key) const {
        return ends_[(key & (ends_.size() * 64 - 1)) / 64] >> (key % 64) & 1;
    }

    bool has(const std::uint8_t* name, std::size_t length) const {
        if (length == 0 || length > LONGEST || !lengths_[length]) return false;
        const std::size_t slot = find(hashed(name, length));
        return slots_[slot] != 0 && !gone_[slot];
    }

    bool stands(const std::uint8_t* bytes, std::size_t end, std::size_t length) const {
        return (end == length || !is_word(bytes[end - length - 1])) && has(bytes + end - length, length);
    }

    std::size_t most_, count_ = 0, set_ = 0;
    std::uint64_t every_ = 1;
    std::vector<std::uint64_t> slots_;
    std::vector<bool> gone_ = std::vector<bool>(1024, false);
    std::vector<std::uint64_t> ends_, tails_;
    std::array<bool, LONGEST + 1> lengths_{};
};

}  // namespace

PYBIND11_MODULE(_names, module) {
    module.doc() = "A set of very many names and the search for them; see catalog/erase/names.py.";
    py::class_<NameSet>(module, "NameSet")
        .def(py::init<std::size_t>(), py::arg("most"))
        .def("add", &NameSet::add, py::arg("offsets"), py::arg("data"))
        .def("remove", &NameSet::remove, py::arg("offsets"), py::arg("data"))
        .def("matches", &NameSet::matches, py::arg("offsets"), py::arg("data"))
        .def("occurrences", &NameSet::occurrences, py::arg("buffer"), py::arg("start"))
        .def_property_readonly("size", &NameSet::size)
        .def_property_readonly("every", &NameSet::every);
}
