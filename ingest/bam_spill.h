// A file of raw records that did not fit in memory; gone as soon as it is closed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "ingest/bam_record.h"
#include "lake/spill_cipher.h"

namespace baselake::bam {

// How a record waits in memory or on disk: its read group and size, then its bytes.
struct Waiting {
    uint32_t group;
    uint32_t size;
    const uint8_t* raw;
    static constexpr size_t kPrefix = 8;

    size_t bytes() const { return kPrefix + size; }
    void write(uint8_t* at) const {
        store(at, group);
        store(at + 4, size);
        std::memcpy(at + kPrefix, raw, size);
    }
    static Waiting read(const uint8_t* at) { return {load<uint32_t>(at), load<uint32_t>(at + 4), at + kPrefix}; }
};

class SpillFile {
  public:
    SpillFile(std::string path, SpillCipher cipher) : path_(std::move(path)), cipher_(std::move(cipher)) {}
    SpillFile(const SpillFile&) = delete;
    SpillFile& operator=(const SpillFile&) = delete;
    ~SpillFile() {
        if (file_ >= 0) ::close(file_);
    }

    uint64_t size() const { return size_; }
    // Throws std::system_error when the disk is full or fails.
    void append(const uint8_t* data, size_t bytes) {
        if (file_ < 0) open();
        std::vector<uint8_t> hidden;
        if (cipher_ && bytes) {
            hidden.assign(data, data + bytes);
            cipher_(path_, size_, hidden.data(), bytes);
            data = hidden.data();
        }
        while (bytes) {
            const ssize_t done = ::pwrite(file_, data, bytes, static_cast<off_t>(size_));
            if (done < 0 && errno != EINTR) fail();
            if (done <= 0) continue;
            data += done;
            bytes -= static_cast<size_t>(done);
            size_ += static_cast<uint64_t>(done);
        }
    }
    void read(const uint64_t from, uint8_t* const whole, const size_t size) const {
        uint64_t offset = from;
        uint8_t* into = whole;
        size_t bytes = size;
        while (bytes) {
            const ssize_t done = ::pread(file_, into, bytes, static_cast<off_t>(offset));
            if (done == 0) throw std::system_error(EIO, std::generic_category(), path_);
            if (done < 0 && errno != EINTR) fail();
            if (done < 0) continue;
            into += done;
            bytes -= static_cast<size_t>(done);
            offset += static_cast<uint64_t>(done);
        }
        if (cipher_ && size) cipher_(path_, from, whole, size);
    }

  private:
    void open() {
        file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file_ < 0) fail();
        ::unlink(path_.c_str());
    }
    [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

    std::string path_;
    SpillCipher cipher_;
    int file_ = -1;
    uint64_t size_ = 0;
};

}  // namespace baselake::bam
