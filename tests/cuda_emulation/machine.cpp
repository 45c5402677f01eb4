// A CUDA device of one processor: blocks run one after another, each thread of a block as a fiber.
//
// A fiber runs until it waits for others. Lanes that wait for one another must name the same operation, line and mask;
// a lane that is named and has ended, a barrier that some threads never reach, and threads that wait for different
// things are faults, as they are undefined on a device. Shared memory is filled with a pattern before every block.
// `backwards` runs blocks, warps and lanes in the opposite order: with another pattern, what depends on either shows.
#include "machine.h"

#include <sys/mman.h>
#include <xmmintrin.h>

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if !defined(__x86_64__)
#error "The emulation's fibers are written for x86-64"
#endif

extern char __start_emulated_shared[] __attribute__((weak));
extern char __stop_emulated_shared[] __attribute__((weak));

// Saves the callee-saved registers of the System V ABI, and swaps stacks.
extern "C" void emulated_switch(void** from, void* to);
asm(R"(
.text
.type emulated_switch, @function
emulated_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulated_switch, .-emulated_switch
)");

namespace emulated {

Thread* thread = nullptr;
Block block;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t STACK = size_t{512} << 10;
#else
constexpr size_t STACK = size_t{64} << 10;
#endif
constexpr size_t GUARD = 4096;
constexpr int WARP = 32, MOST_THREADS = 1024;
constexpr unsigned FLUSH_TO_ZERO = 0x8040;

enum class State : uint8_t { READY, WAITING, ENDED };

struct Fiber {
    Thread place;
    State state;
    void* stack_pointer;
    void* fake_stack;
};

struct Fault {
    std::string what;
};

std::mutex one_launch;
std::vector<Fiber> fibers;
char* stacks = nullptr;
void* scheduler_pointer = nullptr;
[[maybe_unused]] void* scheduler_fake_stack = nullptr;
[[maybe_unused]] const void* scheduler_bottom = nullptr;
[[maybe_unused]] size_t scheduler_size = 0;
Fiber* running = nullptr;
void (*kernel)(void**) = nullptr;
void** arguments = nullptr;
std::string fault;

char* stack_of(const Fiber& fiber) { return stacks + static_cast<size_t>(&fiber - fibers.data()) * (STACK + GUARD) + GUARD; }

void to_scheduler(bool ends) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(ends ? nullptr : &running->fake_stack, scheduler_bottom, scheduler_size);
#endif
    emulated_switch(&running->stack_pointer, scheduler_pointer);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(running->fake_stack, nullptr, nullptr);
#else
    static_cast<void>(ends);
#endif
}

void enter() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_size);
#endif
    kernel(arguments);
    running->state = State::ENDED;
    to_scheduler(true);
    __builtin_unreachable();
}

void run(Fiber& fiber) {
    running = &fiber;
    thread = &fiber.place;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_fake_stack, stack_of(fiber), STACK);
#endif
    emulated_switch(&scheduler_pointer, fiber.stack_pointer);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr);
#endif
}

const char* name_of(Op op) {
    constexpr const char* NAMES[] = {"__syncthreads", "__syncwarp", "a shuffle", "a vote"};
    return NAMES[static_cast<size_t>(op)];
}

std::string told(const Fiber& fiber) {
    const std::string who = "thread " + std::to_string(&fiber - fibers.data()) + " of block " + std::to_string(block.block.x);
    if (fiber.state == State::ENDED) return who + " has ended";
    return who + " waits at " + name_of(fiber.place.op) + " of line " + std::to_string(fiber.place.line);
}

// Lets the lanes of a warp go on that all the others they name have joined. Whether any did.
bool resolve(size_t first, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; ++i) {
        Fiber& fiber = fibers[first + i];
        if (fiber.state != State::WAITING || fiber.place.op == Op::BARRIER) continue;
        const unsigned mask = fiber.place.mask;
        if (!(mask >> i & 1)) throw Fault{told(fiber) + ", and its mask leaves itself out"};
        bool all = true;
        for (size_t k = 0; k < WARP; ++k) {
            if (!(mask >> k & 1)) continue;
            if (k >= count) throw Fault{told(fiber) + ", and its mask names a lane that the block does not have"};
            const Fiber& other = fibers[first + k];
            if (other.state == State::READY) all = false;
            else if (other.state == State::ENDED || other.place.op != fiber.place.op || other.place.line != fiber.place.line || other.place.mask != mask)
                throw Fault{"divergent: " + told(fiber) + " for another: " + told(other)};
        }
        if (!all) continue;
        uint64_t votes = 0, given[WARP] = {};
        for (size_t k = 0; k < count; ++k) {
            if (!(mask >> k & 1)) continue;
            given[k] = fibers[first + k].place.value;
            votes |= (given[k] & 1) << k;
        }
        for (size_t k = 0; k < count; ++k) {
            if (!(mask >> k & 1)) continue;
            Fiber& lane = fibers[first + k];
            if (lane.place.op == Op::SHUFFLE) {
                if (!(mask >> lane.place.source & 1)) throw Fault{told(lane) + " and reads lane " + std::to_string(lane.place.source) + ", which takes no part"};
                lane.place.value = given[lane.place.source];
            } else {
                lane.place.value = votes;
            }
            lane.state = State::READY;
        }
        any = true;
    }
    return any;
}

// Without instrumentation: it writes over the red zones between variables too, whose contents nobody reads.
__attribute__((no_sanitize("address"))) void poison_shared(uint8_t pattern, size_t dynamic_bytes) {
    for (char* at = __start_emulated_shared; at < __stop_emulated_shared; ++at) *reinterpret_cast<volatile char*>(at) = static_cast<char>(pattern);
    for (size_t i = 0; i < dynamic_bytes; ++i) static_cast<volatile char*>(block.dynamic_shared)[i] = static_cast<char>(pattern);
}

void run_block(size_t threads, bool backwards) {
    for (size_t i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[i];
        const auto at = static_cast<unsigned>(i);
        const uint3 size = block.block_size;
        fiber.place = {{at % size.x, at / size.x % size.y, at / size.x / size.y}, static_cast<int>(i % WARP), static_cast<int>(i / WARP), Op::BARRIER, 0, 0, 0, 0};
        fiber.state = State::READY;
        fiber.fake_stack = nullptr;
        // Six registers and the way in; the ABI wants the stack 16-byte aligned before a call.
        void** top = reinterpret_cast<void**>(stack_of(fiber) + STACK - 64);
        top[6] = reinterpret_cast<void*>(&enter);
        top[7] = nullptr;
        fiber.stack_pointer = top;
    }
    const size_t warps = (threads + WARP - 1) / WARP;
    for (;;) {
        for (size_t n = 0; n < warps; ++n) {
            const size_t first = (backwards ? warps - 1 - n : n) * WARP, count = std::min<size_t>(WARP, threads - first);
            do {
                for (size_t k = 0; k < count; ++k) {
                    Fiber& fiber = fibers[first + (backwards ? count - 1 - k : k)];
                    if (fiber.state == State::READY) run(fiber);
                }
            } while (resolve(first, count));
        }
        const Fiber* waiting = nullptr;
        const Fiber* other = nullptr;
        for (size_t i = 0; i < threads; ++i) {
            const Fiber& fiber = fibers[i];
            if (fiber.state == State::WAITING && !waiting) waiting = &fiber;
        }
        if (!waiting) return;
        for (size_t i = 0; i < threads; ++i) {
            const Fiber& fiber = fibers[i];
            if (fiber.state != State::WAITING || fiber.place.op != Op::BARRIER || fiber.place.line != waiting->place.line) other = &fiber;
        }
        if (other || waiting->place.op != Op::BARRIER) throw Fault{"divergent: " + told(*waiting) + (other ? " for ever: " + told(*other) : "")};
        for (size_t i = 0; i < threads; ++i) fibers[i].state = State::READY;
    }
}

void check(const Kernel& of, const uint3& grid, const uint3& size, size_t threads) {
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) throw Fault{"an empty grid or block"};
    // The limits of every compute capability from 7.0 (CUDA C++ Programming Guide, technical specifications).
    if (threads > MOST_THREADS || size.z > 64 || grid.y > 65535 || grid.z > 65535) throw Fault{"a grid or block over the device's limits"};
    if (of.launch_bounds && threads > static_cast<size_t>(of.launch_bounds))
        throw Fault{"a block of " + std::to_string(threads) + " threads, over the launch bounds of " + std::to_string(of.launch_bounds)};
}

}  // namespace

uint64_t wait(Op op, unsigned mask, int source, uint64_t value, int line) {
    Thread& place = running->place;
    place.op = op;
    place.mask = mask;
    place.source = source;
    place.value = value;
    place.line = line;
    running->state = State::WAITING;
    to_scheduler(false);
    return thread->value;
}

std::vector<Kernel>& kernels() {
    static std::vector<Kernel> all;
    return all;
}

}  // namespace emulated

using namespace emulated;

extern "C" {

// Kinds of a kernel's parameters, one letter each; null where there is no such kernel.
const char* emulated_parameters(const char* name) {
    for (const Kernel& one : kernels())
        if (one.name == name) return one.parameters.c_str();
    return nullptr;
}

// Runs a kernel to its end. 0, or 1 and what was wrong in `message`.
int emulated_launch(const char* name, void** given, const unsigned* grid, const unsigned* size, size_t shared_bytes, int pattern,
                    int backwards, char* message, size_t message_size) {
    const std::lock_guard<std::mutex> alone(one_launch);
    const unsigned before = _mm_getcsr();
    try {
        const Kernel* found = nullptr;
        for (const Kernel& one : kernels())
            if (one.name == name) found = &one;
        if (!found) throw Fault{"no such kernel"};
        const size_t threads = size_t{size[0]} * size[1] * size[2];
        block.grid_size = {grid[0], grid[1], grid[2]};
        block.block_size = {size[0], size[1], size[2]};
        check(*found, block.grid_size, block.block_size, threads);
        if (!stacks) {
            const size_t bytes = MOST_THREADS * (STACK + GUARD);
            void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            if (mapped == MAP_FAILED) throw Fault{"no memory for stacks"};
            stacks = static_cast<char*>(mapped);
            fibers.resize(MOST_THREADS);
            for (size_t i = 0; i < MOST_THREADS; ++i) mprotect(stacks + i * (STACK + GUARD), GUARD, PROT_NONE);
        }
        kernel = found->call;
        arguments = given;
        // Of its own size on the heap, so that what reaches beyond it is found.
        std::vector<char> dynamic(shared_bytes);
        block.dynamic_shared = dynamic.data();
        _mm_setcsr(before | FLUSH_TO_ZERO);
        const size_t blocks = size_t{grid[0]} * grid[1] * grid[2];
        for (size_t n = 0; n < blocks; ++n) {
            const auto b = static_cast<unsigned>(backwards ? blocks - 1 - n : n);
            block.block = {b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]};
            poison_shared(static_cast<uint8_t>(pattern), shared_bytes);
            run_block(threads, backwards);
        }
        _mm_setcsr(before);
        return 0;
    } catch (const Fault& what) {
        _mm_setcsr(before);
        std::snprintf(message, message_size, "%s", what.what.c_str());
        return 1;
    }
}
}
