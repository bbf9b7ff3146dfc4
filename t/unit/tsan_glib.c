/* tsan_glib.c - tells ThreadSanitizer about GLib's locks and pools. GLib is not instrumented and its locks are futexes, not
 * pthread's, so that without this every access under a GMutex looks like a race. Linked in place of GLib's functions
 * when SANITIZE has thread; threads need nothing, because GLib makes them by pthread_create.
 *
 * A mutex is announced, not only its order of events, so that inversions of lock order are found as well. */
#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

/* GLib's function of this name, looked up once: `real` in what follows. */
#define FIND_REAL(name)                                                                        \
    static __typeof__(&(name)) found;                                                          \
    __typeof__(found) real = __atomic_load_n(&found, __ATOMIC_ACQUIRE);                        \
                                                                                               \
    if (real == NULL) {                                                                        \
        real = (__typeof__(found))dlsym(RTLD_NEXT, #name);                                     \
        __atomic_store_n(&found, real, __ATOMIC_RELEASE);                                      \
    }

/* The macros of the header, which only save a call. */
#undef g_once_init_enter
#undef g_once_init_leave

static void announce_unlock(GMutex *mutex)
{
    __tsan_mutex_pre_unlock(mutex, 0);
    __tsan_mutex_post_unlock(mutex, 0);
}

static void announce_lock(GMutex *mutex)
{
    __tsan_mutex_pre_lock(mutex, 0);
    __tsan_mutex_post_lock(mutex, 0, 0);
}

void g_mutex_lock(GMutex *mutex)
{
    FIND_REAL(g_mutex_lock)
    __tsan_mutex_pre_lock(mutex, 0);
    real(mutex);
    __tsan_mutex_post_lock(mutex, 0, 0);
}

gboolean g_mutex_trylock(GMutex *mutex)
{
    const unsigned flags = __tsan_mutex_try_lock;

    FIND_REAL(g_mutex_trylock)
    __tsan_mutex_pre_lock(mutex, flags);
    gboolean locked = real(mutex);
    __tsan_mutex_post_lock(mutex, locked ? flags : flags | __tsan_mutex_try_lock_failed, 0);
    return locked;
}

void g_mutex_unlock(GMutex *mutex)
{
    FIND_REAL(g_mutex_unlock)
    __tsan_mutex_pre_unlock(mutex, 0);
    real(mutex);
    __tsan_mutex_post_unlock(mutex, 0);
}

void g_mutex_clear(GMutex *mutex)
{
    FIND_REAL(g_mutex_clear)
    __tsan_mutex_destroy(mutex, 0);
    real(mutex);
}

/* A wait gives the mutex back and takes it again inside of GLib, where the calls above are not seen. */
void g_cond_wait(GCond *cond, GMutex *mutex)
{
    FIND_REAL(g_cond_wait)
    announce_unlock(mutex);
    real(cond, mutex);
    announce_lock(mutex);
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    FIND_REAL(g_cond_wait_until)
    announce_unlock(mutex);
    gboolean signalled = real(cond, mutex, end_time);
    announce_lock(mutex);
    return signalled;
}

gboolean g_once_init_enter(volatile void *location)
{
    FIND_REAL(g_once_init_enter)
    gboolean first = real(location);
    __tsan_acquire((void *)location);
    return first;
}

void g_once_init_leave(volatile void *location, gsize result)
{
    FIND_REAL(g_once_init_leave)
    __tsan_release((void *)location);
    real(location, result);
}

/* A pool hands data over under a lock inside of GLib; who frees it and waits has seen the end of all that was pushed. */
typedef struct {
    GFunc function;
    gpointer user_data;
} Pooled;

static void run_pooled(gpointer data, gpointer user_data)
{
    Pooled *pooled = user_data;

    __tsan_acquire(data);
    pooled->function(data, pooled->user_data);
    __tsan_release(pooled);
}

GThreadPool *g_thread_pool_new(GFunc function, gpointer user_data, gint max_threads, gboolean exclusive, GError **error)
{
    FIND_REAL(g_thread_pool_new)
    Pooled *pooled = g_new(Pooled, 1);

    *pooled = (Pooled){.function = function, .user_data = user_data};
    return real(run_pooled, pooled, max_threads, exclusive, error);
}

gboolean g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    FIND_REAL(g_thread_pool_push)
    __tsan_release(data);
    return real(pool, data, error);
}

void g_thread_pool_free(GThreadPool *pool, gboolean immediate, gboolean wait)
{
    Pooled *pooled = pool->user_data;

    FIND_REAL(g_thread_pool_free)
    g_assert(wait);
    real(pool, immediate, wait);
    __tsan_acquire(pooled);
    g_free(pooled);
}
